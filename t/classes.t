use v5.36;

# Every class of request against every outcome: what HTTP does with it.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my %ACCEPTED = ('d.terms' => 2, 'd.privacy' => 1);

put_record($t->redis, 'accepted', { %ACCEPTED, 'p.analytics' => 1 });
put_record($t->redis, 'behind', { %ACCEPTED, 'd.terms' => 1 });
put_record($t->redis, 'refusing', { %ACCEPTED, 'p.analytics' => 0 });

$t->nginx(<<'END');
    consent_store {
        server           %%REDIS%%;
        connect_timeout  2s;
        timeout          2s;
    }
    consent_key_file %%KEYS%%;
    consent_geoip %%GEO%%;
    consent_document terms   kind=accept      version=2 required=1;
    consent_document privacy kind=acknowledge version=1 required=1;
    consent_purpose analytics;
    consent_page /policy-update;
    consent_subject $http_x_account;
    consent_explain on;
    %%REALIP%%

    server {
        listen 127.0.0.1:%%PORT_up%%;
        location / { return 200 "passed $request_method"; }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        consent_gate on;

        location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /purpose/ {
            consent_require_purpose analytics;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /451/ {
            consent_refuse_status 451;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /451/purpose/ {
            consent_refuse_status 451;
            consent_require_purpose analytics;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /closed/ {
            consent_on_error closed;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
END

my $BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,'
    . 'image/avif,image/webp,*/*;q=0.8';


sub fetch_metadata ($mode, $dest) {
    return ('Sec-Fetch-Mode' => $mode,
        defined $dest ? ('Sec-Fetch-Dest' => $dest) : ());
}


# class => [what it is, method, end of the path, headers]
my @REQUESTS = (
    [navigation => 'a navigation', 'GET', '',
        fetch_metadata(navigate => 'document')],
    [navigation => 'a navigation by HEAD', 'HEAD', '',
        fetch_metadata(navigate => 'document')],
    [navigation => 'a navigation to nowhere in particular', 'GET', '',
        fetch_metadata(navigate => undef)],
    [navigation => 'a navigation on plain HTTP', 'GET', '',
        Accept => $BROWSER],
    [navigation => 'a navigation to an image on plain HTTP', 'GET', 'a.png',
        Accept => $BROWSER],
    [navigation => 'HEAD on plain HTTP', 'HEAD', '', Accept => $BROWSER],

    [unsafe => 'a form', 'POST', '', fetch_metadata(navigate => 'document')],
    [unsafe => 'a form on plain HTTP', 'POST', '', Accept => $BROWSER],
    [unsafe => 'PUT on plain HTTP', 'PUT', '', Accept => 'text/html'],
    [unsafe => 'DELETE', 'DELETE', '', fetch_metadata(navigate => 'document')],

    [api => 'fetch()', 'GET', '', fetch_metadata(cors => 'empty')],
    [api => 'fetch() with POST', 'POST', '', fetch_metadata(cors => 'empty')],
    [api => 'fetch() of the same origin', 'GET', '',
        fetch_metadata('same-origin' => 'empty')],
    [api => 'fetch() without cors', 'GET', 'a.js',
        fetch_metadata('no-cors' => 'empty')],
    [api => 'a frame', 'GET', '', fetch_metadata(navigate => 'iframe')],
    [api => 'an old frame', 'GET', '', fetch_metadata(navigate => 'frame')],
    [api => 'a form into a frame', 'POST', '',
        fetch_metadata(navigate => 'iframe')],
    [api => 'a WebSocket', 'GET', '', fetch_metadata(websocket => 'empty')],
    [api => 'a WebSocket on plain HTTP', 'GET', '',
        Upgrade => 'websocket', Connection => 'upgrade'],
    [api => 'XMLHttpRequest on plain HTTP', 'GET', '',
        Accept => $BROWSER, 'X-Requested-With' => 'XMLHttpRequest'],
    [api => 'JSON on plain HTTP', 'GET', '', Accept => 'application/json'],
    [api => 'a client that says nothing', 'GET', ''],
    [api => 'a client that takes anything', 'POST', '', Accept => '*/*'],
    [api => 'HEAD of a client', 'HEAD', '', Accept => '*/*'],

    [subresource => 'a script', 'GET', '',
        fetch_metadata('no-cors' => 'script')],
    [subresource => 'a style', 'GET', '', fetch_metadata('no-cors' => 'style')],
    [subresource => 'an image', 'GET', '',
        fetch_metadata('no-cors' => 'image')],
    [subresource => 'a font', 'GET', '', fetch_metadata(cors => 'font')],
    [subresource => 'a video', 'GET', '', fetch_metadata('no-cors' => 'video')],
    [subresource => 'a manifest', 'GET', '',
        fetch_metadata(cors => 'manifest')],
    [subresource => 'a worker', 'GET', '',
        fetch_metadata('same-origin' => 'worker')],
    [subresource => 'an image on plain HTTP', 'GET', '',
        Accept => 'image/avif,image/webp,*/*'],
    [subresource => 'a style on plain HTTP', 'GET', '',
        Accept => 'text/css,*/*;q=0.1'],
    [subresource => 'a script on plain HTTP', 'GET', 'app.js',
        Accept => '*/*'],
    [subresource => 'a font on plain HTTP', 'GET', 'f.WOFF2',
        Accept => '*/*'],
);


my $http = $t->http;

sub ask ($request, $account, $where) {
    my (undef, undef, $method, $end, @headers) = @$request;

    return $http->request($method, "$where$end",
        [@headers, 'X-Real-IP' => address_of('DE'),
            defined $account ? ('X-Account' => $account) : ()],
        $method =~ /^P/ ? { a => 'b' } : undef);
}


# Every answer of the gate.
sub ours ($r, $method) {
    return if $r->status == 200;

    like $r->header('Cache-Control'), qr/^no-store$/, 'is not to be stored';
    ok !grep({ $r->status == $_ } 301, 307, 308), 'no lasting redirect';
    is $r->body, '', 'no body' if $method eq 'HEAD';
    is $r->header('Content-Length'), 0, 'and none is announced'
        if $r->status == 302;
    return;
}


sub passed ($r, $method) {
    is $r->status, 200, 'passes';
    is $r->body, $method eq 'HEAD' ? '' : "passed $method", 'untouched';
    is $r->header('Cache-Control'), undef, 'without a header of ours';
    is $r->cookie('consent'), undef, 'and without a cookie';
    return;
}


sub redirected ($r, $where) {
    is $r->status, 302, 'is sent to the page';
    is $r->location, '/policy-update?return=' . $where
        . '&need=terms,privacy', 'that is a path of this site';
    return;
}


sub html ($r, $method, $status, $link) {
    is $r->status, $status, "is answered $status";
    is $r->location, undef, 'not redirected';
    like $r->header('Content-Type'), qr{^text/html}, 'as HTML';
    return if $method eq 'HEAD';

    if ($link) {
        like $r->body, qr{<a href="/policy-update\?return=}, 'with a link';
        like $r->body, qr{sent was not taken.*">Read and|">Look at your}s,
            'and what to do';
    } else {
        unlike $r->body, qr{<a }, 'without a link';
    }
    return;
}


sub problem ($r, $method, $status, $type, $reason, @missing) {
    is $r->status, $status, "is answered $status";
    is $r->location, undef, 'not redirected';
    is $r->header('Content-Type'), 'application/problem+json',
        'as a problem';
    return if $method eq 'HEAD';

    my $p = $r->json;
    is $p->{type}, "urn:consent-gate:$type", 'of this type';
    is $p->{status}, $status, 'with the status';
    is $p->{reason}, $reason, 'the reason';
    ok length $p->{title} && length $p->{detail}, 'words';
    like $p->{policy_url}, qr{^/policy-update\?return=/}, 'the page';
    is_deeply $p->{missing}, \@missing, 'and what is missing';
    return;
}


# Of each outcome: account, path; answers by class.
sub outcome ($name, $account, $where, $outcome, $reason, %answer) {
    for my $request (@REQUESTS) {
        my ($class, $what, $method, $end) = @$request;

        subtest "$name: $what" => sub {
            my $r = ask($request, $account, $where);
            my $told = $answer{"told_$class"} // [$outcome, $reason];

            like $r->header('Consent-Gate'),
                qr/^$told->[0]; reason=$told->[1];.* class=$class;/,
                "$class is told";
            $answer{$class}->($r, $method, "$where$end");
            ours($r, $method);
        };
    }
    return;
}


my $pass   = sub ($r, $method, $) { passed($r, $method) };
my $unseen = [pass => 'accepted'];      # a subresource of any page

outcome('pass', 'accepted', '/', pass => 'accepted',
    map { $_ => $pass } qw(navigation unsafe api subresource));

outcome('notice', 'behind', '/', notice => 'notice',
    (map { $_ => $pass } qw(navigation unsafe api subresource)),
    told_subresource => $unseen);

outcome('page', 'new', '/', page => 'missing',
    navigation  => sub ($r, $, $where) { redirected($r, $where) },
    unsafe      => sub ($r, $method, $) { html($r, $method, 403, 1) },
    api         => sub ($r, $method, $) {
        problem($r, $method, 403, 'consent-required', 'missing',
            'terms', 'privacy');
    },
    subresource => $pass, told_subresource => $unseen);

outcome('page with 451', 'new', '/451/', page => 'missing',
    navigation  => sub ($r, $, $where) { redirected($r, $where) },
    unsafe      => sub ($r, $method, $) { html($r, $method, 451, 1) },
    api         => sub ($r, $method, $) {
        problem($r, $method, 451, 'consent-required', 'missing',
            'terms', 'privacy');
    },
    subresource => $pass, told_subresource => $unseen);

for my $status (403, 451) {
    my $refused = sub ($r, $method, $) { html($r, $method, $status, 1) };
    my $problem = sub ($r, $method, $) {
        problem($r, $method, $status, 'purpose-refused', 'purpose');
    };

    outcome("refuse with $status", 'refusing',
        $status == 451 ? '/451/purpose/' : '/purpose/', refuse => 'purpose',
        navigation => $refused, unsafe => $refused,
        api => $problem, subresource => $problem);
}

subtest 'a purpose that is granted' => sub {
    is ask($_, 'accepted', '/purpose/')->status, 200, $_->[1] for @REQUESTS;
};

subtest 'a preflight' => sub {
    my $r = $http->request('OPTIONS', '/purpose/', [
        'X-Real-IP' => address_of('DE'), 'X-Account' => 'new',
        Origin => 'http://elsewhere.example',
        'Access-Control-Request-Method' => 'PUT']);

    passed($r, 'OPTIONS');
    like $r->header('Consent-Gate'), qr/^pass; reason=preflight;/, 'reason';
};

subtest 'a POST from another site' => sub {
    my @cross = ('Sec-Fetch-Site' => 'cross-site');
    my $saml  = [unsafe => 'SAML', 'POST', 'sso',
        fetch_metadata(navigate => 'document'), @cross];
    my $r = ask($saml, undef, '/');

    passed($r, 'POST');
    like $r->header('Consent-Gate'), qr/^pass; reason=cross_site;/, 'why';

    is ask($saml, 'new', '/')->status, 403, 'not of a known account';
    is ask($saml, undef, '/purpose/')->status, 403,
        'not where a purpose is required';

    my $get = [navigation => 'a link', 'GET', '',
        fetch_metadata(navigate => 'document'), @cross];
    is ask($get, undef, '/')->status, 302, 'not by GET';

    my $fetch = [api => 'fetch', 'POST', '',
        fetch_metadata(cors => 'empty'), @cross];
    is ask($fetch, undef, '/')->status, 403, 'not by a script';

    my $own = [unsafe => 'form', 'POST', '',
        fetch_metadata(navigate => 'document'),
        'Sec-Fetch-Site' => 'same-origin', Origin => 'http://other.example'];
    is ask($own, undef, '/')->status, 403, 'not from this site';
};

subtest 'a POST from another site on plain HTTP' => sub {
    my $saml = [unsafe => 'SAML', 'POST', 'sso', Accept => $BROWSER,
        Origin => 'http://idp.example'];
    passed(ask($saml, undef, '/'), 'POST');

    my $own = [unsafe => 'form', 'POST', '', Accept => $BROWSER,
        Origin => 'http://localhost'];
    is ask($own, undef, '/')->status, 403, 'not from this site';

    my $unknown = [unsafe => 'form', 'POST', '', Accept => $BROWSER];
    is ask($unknown, undef, '/')->status, 403, 'not from who knows where';
};

subtest 'a POST is not brought back to' => sub {
    my $r = ask([unsafe => 'form', 'POST', 'order',
        fetch_metadata(navigate => 'document')], 'new', '/');
    like $r->body, qr{return=/&amp;need=}, 'its link returns to the start';
};

$t->redis->stop;

outcome('store down, open', 'accepted', '/', pass => 'store_down',
    (map { $_ => $pass } qw(navigation unsafe api subresource)),
    told_subresource => $unseen);

{
    my $html = sub ($r, $method, $) {
        html($r, $method, 503, 0);
        is $r->header('Retry-After'), 5, 'says when';
    };

    outcome('store down, closed', 'accepted', '/closed/',
        unavailable => 'store_down',
        navigation => $html, unsafe => $html,
        api => sub ($r, $method, $) {
            problem($r, $method, 503, 'unavailable', 'store_down');
            is $r->header('Retry-After'), 5, 'says when';
        },
        subresource => $pass, told_subresource => $unseen);
}

subtest 'store down: a purpose counts as refused' => sub {
    my ($navigation) = @REQUESTS;
    my $r = ask($navigation, 'accepted', '/purpose/');

    is $r->status, 403, 'is refused';
    like $r->header('Consent-Gate'), qr/^refuse; reason=purpose;/, 'why';
};

subtest 'store down: an American' => sub {
    my $r = $http->get('/closed/', 'X-Real-IP' => address_of('US'));
    passed($r, 'GET');
};

$t->done;
