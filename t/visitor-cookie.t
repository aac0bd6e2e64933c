use v5.36;

# The visitor cookie: what it is, what is none, and when it is set.

use lib 't/lib';
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->page('style.css', 'css');

my $PAGE = <<'END';
    location = /policy-update {
        ssi on;
        default_type text/html;
        alias %%ROOT%%/policy-update.html;
    }
    location /consent/ { consent_api; }
END

# Servers by name: each with another consent_visitor_cookie.
my %COOKIE = (
    named   => 'shop',
    brief   => 'shop max_age=1h',
    domain  => '__Secure-shop domain=example.org',
    proxied => '__Host-shop secure=on',
    off     => 'shop secure=off',
);

$t->nginx(flow_site(
    http   => 'consent_purpose analytics;',
    listen => "default_server; listen 127.0.0.1:%%PORT_tls%% ssl;\n"
        . 'ssl_certificate %%CERT%%; ssl_certificate_key %%CERTKEY%%',
    server => 'consent_subject $http_x_test_account;
        location /report/ { consent_gate report; }',
) . join '', map { <<"END" } sort keys %COOKIE);
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        server_name $_.example.org;
        root %%ROOT%%;
        consent_gate on;
        consent_visitor_cookie $COOKIE{$_};
        $PAGE
    }
END

my $redis = $t->redis;
my $VALUE = '[A-Za-z0-9_-]{32}';
my $ATTR  = 'Path=/; HttpOnly; SameSite=Lax';
my $LIFE  = 182 * 86400;

# The receipt that comes with an answer is another story, and what is said of
# the documents.
sub without_receipt (@lines) {
    return join '|', grep { !/^[\w-]+-(?:receipt|given)=/ } @lines;
}

# Set-Cookie of the page and of the answer, over plain HTTP.
sub plain ($host) {
    my $browser = $t->browser('DE', host => $host);
    my $page = show($browser);

    return map { without_receipt($_->headers('Set-Cookie')) } $page->{response},
        answer($browser, page => $page);
}

# The same over TLS.
sub tls ($host) {
    my $port = $t->port('tls');
    my @curl = ('-i', '--resolve', "$host:$port:127.0.0.1", '-H',
        'X-Real-IP: ' . address_of('DE'));
    my $url = "https://$host:$port";
    my @seen;

    my $page = $t->curl(@curl, "$url/policy-update");
    my ($token) = $page =~ /^form_token=\[(.+)\]/m;
    push @seen, without_receipt($page =~ /^set-cookie: (.*?)\r?$/mig);
    my ($cookie) = $seen[0] =~ /^([^;]+)/;

    my $answer = $t->curl(@curl, '-H', "Cookie: $cookie", '-d',
        "token=$token&document=terms&document=privacy&document=cookies",
        "$url/consent/accept");
    like $answer, qr{^HTTP/\S+ 303}, 'the answer is taken';
    push @seen, without_receipt($answer =~ /^set-cookie: (.*?)\r?$/mig);

    return @seen;
}

my @CASES = (
    ['plain HTTP', \&plain, 'localhost', 'consent', $ATTR, $LIFE],
    ['TLS', \&tls, 'localhost', '__Host-consent', "$ATTR; Secure", $LIFE],
    ['a name', \&plain, 'named.example.org', 'shop', $ATTR, $LIFE],
    ['a name over TLS', \&tls, 'named.example.org', 'shop', "$ATTR; Secure",
        $LIFE],
    ['max_age=', \&plain, 'brief.example.org', 'shop', $ATTR, 3600],
    ['domain=', \&tls, 'domain.example.org', '__Secure-shop',
        "$ATTR; Secure; Domain=example.org", $LIFE],
    ['secure=on', \&plain, 'proxied.example.org', '__Host-shop',
        "$ATTR; Secure", $LIFE],
    ['secure=off', \&tls, 'off.example.org', 'shop', $ATTR, $LIFE],
);

for my $case (@CASES) {
    my ($name, $get, $host, $cookie, $attributes, $life) = @$case;

    subtest $name => sub {
        my ($page, $answer) = $get->($host);

        like $page, qr/^$cookie=$VALUE; \Q$attributes\E$/,
            'for the session when the page is shown';
        like $answer, qr/^$cookie=$VALUE; \Q$attributes\E; Max-Age=$life$/,
            'for its full life once answered';
        is $page =~ s/;.*//r, $answer =~ s/;.*//r, 'with the same value';
    };
}


subtest 'what passes gets none' => sub {
    is $t->browser('US')->get('/')->header('Set-Cookie'), undef, 'outside';
    is $t->browser('DE')->get('/style.css')->header('Set-Cookie'), undef,
        'a subresource';
    is $t->browser('DE')->get('/report/')->header('Set-Cookie'), undef,
        'a report';

    my $browser = $t->browser('DE');
    answer($browser);
    my $r = $browser->get('/');
    is $r->body, 'home', 'who has accepted';
    is $r->header('Set-Cookie'), undef, 'gets none either';
};

subtest 'the redirect sets none' => sub {
    my $r = $t->browser('DE')->get('/');
    is $r->status, 302, 'to the page';
    is $r->header('Set-Cookie'), undef, 'which will';
};

subtest 'one that is there is not replaced by looking' => sub {
    my $browser = $t->browser('DE');
    my $first = show($browser);
    my $second = show($browser);

    is $second->{response}->header('Set-Cookie'), undef, 'at the page';
    is $browser->get('/consent/state')->header('Set-Cookie'), undef,
        'at the state';
    is $second->{subject}, $first->{subject}, 'it is the same visitor';
};

my $browser = $t->browser('DE');
answer($browser);
my $good = $browser->jar->get('consent');

# Requests with a Cookie header: whether each is known, and what it costs.
sub known ($cookie, $http = $t->browser('DE')) {
    my $r = $http->get('/', Cookie => $cookie);
    return $r->status == 200 ? 1 : 0;
}

subtest 'what is no cookie' => sub {
    is known("consent=$good"), 1, 'the real one is';

    my $raw = decode_base64url($good);
    my $before = $redis->calls('hmget');
    my @bad;

    for my $i (0 .. 23) {
        my $b = $raw;
        vec($b, 8 * $i + $i % 8, 1) ^= 1;
        push @bad, encode_base64url($b);
    }

    push @bad, map { substr $good, 0, $_ } 0 .. 31;
    push @bad, map { my $b = $good;
        substr $b, $_, 1, substr($b, $_, 1) eq 'A' ? 'B' : 'A'; $b } 0 .. 31;
    push @bad, "$good=", "$good==", "$good$good", "${good}A", "A$good",
        "\"$good\"", "$good,x", 'A' x 32, '-' x 32, 'anna', '', '%', 'A' x 4000,
        "\xff" x 32, scalar reverse($good),
        unpack('H*', $raw), substr(encode_base64url("$raw\0"), 0, 33);

    is_deeply [grep { known("consent=$_") } @bad], [], 'altered, cut, foreign';
    is_deeply [grep { known($_) } "consent $good", "xconsent=$good",
        "consentx=$good", "Consent=$good", "x; consent2=$good", "=$good",
        "x=consent=$good", "consent-subject=$good", $good, ';;;', '=', ''],
        [], 'by another name';
    is $redis->calls('hmget'), $before, 'none is looked up in Redis';
};

subtest 'a cookie made by another key' => sub {
    $t->write_file('other.keys', 'subject ' . 'ab' x 32 . "\nsign k1 "
        . 'cd' x 32 . "\n", 0600);
    my $consent = ConsentGate::Test::consent_block()
        =~ s{%%KEYS%%}{%%DIR%%/other.keys}r;
    $t->nginx(flow_site =~ s/%%CONSENT%%/$consent/r
        =~ s/%%PORT%%/%%PORT_other%%/r);

    my $foreign = $t->browser('DE', port => $t->port('other'));
    answer($foreign);
    is $foreign->get('/')->status, 200, 'is one there';

    my $before = $redis->calls('hmget');
    is known('consent=' . $foreign->jar->get('consent')), 0, 'is none here';
    is $redis->calls('hmget'), $before, 'nor looked up';
};

subtest 'several cookies of the name' => sub {
    is known("consent=x; consent=$good"), 1, 'a forged one first';
    is known("consent=$good; consent=x"), 1, 'a forged one last';
    is known("a=b;consent=$good"), 1, 'without a space';
    is known("a=b;\t consent = $good ;c"), 1, 'with more of it';

    my $r = $t->browser('DE')->get('/', Cookie => 'consent=x',
        Cookie => "consent=$good");
    is $r->status, 200, 'in headers of their own';

    my $other = $t->browser('DE');
    show($other);
    is known("consent=$good; consent=" . $other->jar->get('consent')), 1,
        'of two good ones the first counts';
    is known('consent=' . $other->jar->get('consent') . "; consent=$good"), 0,
        'indeed';
};

# The pseudonym of an id, of kind and realm: no id of one kind is one of
# another.
subtest 'visitors and accounts never meet' => sub {
    my ($visitor, $id);

    for (1 .. 500) {        # until its id can stand in a header
        $visitor = $t->browser('DE');
        show($visitor);
        $id = substr decode_base64url($visitor->jar->get('consent')), 0, 16;
        last if $id !~ /[\x00-\x20\x7f]/;
    }

    my $cookie = $visitor->jar->get('consent');
    is show($visitor)->{subject}, key_of(visitor => $id)->{name},
        'the pseudonym is derived as documented';
    answer($visitor);
    is known("consent=$cookie"), 1, 'the visitor has accepted';

    for my $name ($id, $cookie, encode_base64url($id), unpack('H*', $id),
        "consent=$cookie", key_of(visitor => $id)->{name})
    {
        my $account = $t->browser('DE',
            headers => ['X-Test-Account' => $name]);
        is $account->get('/')->status, 302, 'an account of that name has not';
        is show($account)->{subject}, key_of(account => $name)->{name},
            'it is another subject';
    }

    my $anna = $t->browser('DE', headers => ['X-Test-Account' => 'anna']);
    answer($anna);
    is $anna->get('/')->status, 200, 'an account has accepted';
    is_deeply [grep { known("consent=$_") } 'anna',
        encode_base64url('anna'), encode_base64url(pack 'a24', 'anna'),
        key_of(account => 'anna')->{name}], [], 'no cookie spells its name';

    is known("consent=$cookie", $t->browser('DE',
        headers => ['X-Test-Account' => 'bert'])), 0,
        q{a visitor's cookie does not answer for an account};
};

subtest 'cookies switched off' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');
    delete $browser->{jar};

    my $r = $browser->get('/');
    is $r->status, 302, 'is sent to the page';
    my $page = show($browser);

    for (1 .. 3) {
        $r = answer($browser, page => $page);
        is $r->status, 403, 'an answer is not taken, nor led into a loop';
        $page = fields($r);
        is $page->{problem}, 'cookies', 'the page says why';
        isnt $page->{form_token}, '', 'and has a form';
    }

    my $state = $browser->get('/consent/state')->json;
    $r = answer_as_script($browser, state => $state);
    is $r->status, 403, 'JSON';
    is $r->json->{type}, 'urn:consent-gate:cookies', 'is told why';
    is_deeply [$redis->keys('*')], [], 'nothing is written';

    # and on again: the cookie of one page, the form of another
    my $cookie = show($browser)->{response}->cookie('consent') =~ s/;.*//r;
    $r = answer($browser, page => $page, headers => [Cookie => $cookie]);
    is $r->status, 403, 'a cookie of another page is another visitor';
    is fields($r)->{problem}, 'expired', 'who needs a form of their own';
};

$t->done;
