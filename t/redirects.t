use v5.36;

# Internal redirects: what the client has asked for sticks, each location
# decides with its own settings, and the page is no loop.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'accepted', { 'd.terms' => 1 });

$t->page('index.html', 'home');
$t->page('found.html', 'found');
$t->page('dir/index.html', 'index of a directory');
$t->page('free/index.html', 'free');
$t->page('gated/file.html', 'behind the gate');
$t->page('errors/404.html', 'not found, says the site');
$t->page('errors/500.html', 'broken, says the site');
$t->page('errors/gated.html', 'an error page in a gated location');

$t->nginx(<<'END');
    consent_store { server %%REDIS%%; connect_timeout 2s; timeout 2s; }
    consent_key_file %%KEYS%%;
    consent_geoip %%GEO%%;
    consent_document terms kind=accept version=1;
    consent_purpose ads;
    consent_page /policy-update;
    consent_subject $http_x_account;
    consent_explain on;
    consent_gate on;
    %%REALIP%%
    root %%ROOT%%;

    log_format decisions '$request_uri $consent_decision $consent_reason '
                         '$consent_country';

    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "upstream $uri"; }
        location /accel/ {
            add_header X-Accel-Redirect $arg_to;
            return 200 "not seen";
        }
        location /accel-named {
            add_header X-Accel-Redirect @accel;
            return 200;
        }
        location /500 { return 500; }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/decisions.log decisions;

        location / { }

        location /try/ { try_files /none.html /found.html; }
        location /try-last/ { try_files /none.html /gated/file.html; }
        location /try-named/ { try_files /none.html @named; }
        location /try-status/ { try_files /none.html =404; }
        location /try-free/ {
            consent_gate off;
            try_files /none.html /gated/file.html;
        }
        location /try-to-free/ { try_files /none.html /free/index.html; }
        location /try-purpose/ { try_files /none.html /purpose/; }
        location /free/ { consent_gate off; }
        location /gated/ { }
        location = /purpose/ {
            consent_require_purpose ads;
            try_files /found.html =404;
        }
        location @named { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location @accel { try_files /found.html =404; }

        location /last/ { rewrite ^ /gated/file.html last; }
        location /break/ { rewrite ^ /gated/file.html break; }
        location /last-free/ { rewrite ^ /free/index.html last; }

        location /error/ { error_page 404 /errors/404.html; }
        location /error-gated/ { error_page 404 /errors/gated.html; }
        location /error-named/ { error_page 404 @named; }
        location /fallback/ { error_page 404 = /gated/file.html; }
        location /fallback-200/ { error_page 404 =200 /gated/file.html; }
        location /fallback-named/ { error_page 404 = @named; }
        location /fallback-free/ {
            consent_gate off;
            error_page 404 405 = /gated/file.html;
        }
        location /fallback-world/ {
            error_page 404 405 = @world;
        }
        location @world {
            consent_territory all;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /500/ {
            proxy_pass http://127.0.0.1:%%PORT_up%%;
            proxy_intercept_errors on;
            error_page 500 /errors/500.html;
        }
        location /dead/ {
            proxy_pass http://127.0.0.1:%%PORT_nobody%%;
            error_page 502 /errors/500.html;
        }
        location /chain/ {
            error_page 404 /chain2/;
            recursive_error_pages on;
        }
        location /chain2/ {
            error_page 404 /errors/404.html;
            recursive_error_pages on;
        }

        location /accel/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /accel-named { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /accel-free/ {
            consent_gate off;
            proxy_pass http://127.0.0.1:%%PORT_up%%/accel/;
        }
        location /internal/ { internal; alias %%ROOT%%/gated/; }
        location /internal-purpose/ {
            internal;
            consent_require_purpose ads;
            alias %%ROOT%%/gated/;
        }

        location /exempt/ {
            consent_exempt_uri ^/exempt/;
            try_files /none.html /gated/file.html;
        }
        location /post-action/ {
            alias %%ROOT%%/gated/;
            post_action /gated/after;
        }
    }
END


sub ask ($country, $uri, %options) {
    my $http = $t->http(headers => [
        'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document',
        'X-Real-IP' => address_of($country),
        $options{account} ? ('X-Account' => $options{account}) : ()]);

    return $http->request($options{method} // 'GET', $uri, [],
        $options{body});
}


# Of a German who has not accepted, one who has, an American.
sub gated ($uri, $body, %options) {
    my $status = $options{status} // 200;
    my $r = ask('DE', $uri);

    is $r->status, 302, "$uri is gated";
    my $return = $uri =~ s{([?=])}{sprintf '%%%02X', ord $1}ger;
    like $r->location, qr{^/policy-update\?return=\Q$return\E&need=terms$},
        'and it is this URI that one comes back to';
    is $r->headers('Consent-Gate'), 1, 'decided once';

    for my $case (['DE', 'accepted'], ['US', undef]) {
        my ($country, $account) = @$case;

        $r = ask($country, $uri, account => $account);
        is $r->status, $status, "passes from $country";
        like $r->body, $body, 'to what is there';
        is $r->headers('Consent-Gate'), 1, 'with one explanation';
        like $r->header('Consent-Gate'), qr/country=$country;/,
            'and one country';
    }
    return;
}


subtest 'index' => sub {
    gated('/', qr/^home$/);
    gated('/dir/', qr/^index of a directory$/);
};

subtest 'try_files' => sub {
    gated('/try/x', qr/^found$/);
    gated('/try-last/x', qr/^behind the gate$/);
    gated('/try-named/x', qr{^upstream /try-named/x$});
    gated('/try-status/x', qr/404 Not Found/, status => 404);
};

subtest 'rewrite' => sub {
    gated('/last/x', qr/^behind the gate$/);
    gated('/break/x', qr/^behind the gate$/);
    is ask('DE', '/last-free/x')->body, 'free', 'into a free location';
};

subtest 'from a free location into a gated one' => sub {
    gated('/try-free/x', qr/^behind the gate$/);
    gated('/fallback-free/x', qr/^behind the gate$/);
    gated('/accel-free/?to=/gated/file.html', qr/^behind the gate$/);
};

subtest 'from a gated location into a free one' => sub {
    gated('/try-to-free/x', qr/^free$/);
};

subtest 'into a location that requires more' => sub {
    my $r = ask('DE', '/try-purpose/x', account => 'accepted');
    is $r->status, 403, 'is refused';
    like $r->header('Consent-Gate'), qr/^refuse; reason=purpose;/, 'there';
    is $r->headers('Consent-Gate'), 1, 'the last decision is told';
    is ask('DE', '/try/x', account => 'accepted')->status, 200,
        'and nowhere else';
};

subtest 'error pages' => sub {
    gated('/error/x', qr/^not found, says the site$/, status => 404);
    gated('/error-gated/x', qr/^an error page in a/, status => 404);
    gated('/error-named/x', qr{^upstream /error-named/x$}, status => 404);
    gated('/500/x', qr/^broken, says the site$/, status => 500);
    gated('/dead/x', qr/^broken, says the site$/, status => 502);
    gated('/chain/x', qr/^not found, says the site$/, status => 404);

    my $r = ask('DE', '/free/none');
    is $r->status, 404, 'of a free location';
    like ask('US', '/error/x')->header('Consent-Gate'),
        qr/^pass; reason=error_page;.*gate=on/, 'pass as such';
};

subtest 'error_page with another status is a page like any' => sub {
    gated('/fallback/x', qr/^behind the gate$/);
    gated('/fallback-200/x', qr/^behind the gate$/);
    gated('/fallback-named/x', qr{^upstream /fallback-named/x$});
};

subtest 'a POST stays one' => sub {
    my $r = ask('DE', '/fallback-free/x', method => 'POST', body => 'a=b');
    is $r->status, 403, 'in a location that nobody gated before';
    like $r->header('Consent-Gate'), qr/class=unsafe/, 'by its class';
    like $r->body, qr{return=/&amp;need}, 'and is not come back to';

    $r = ask('US', '/fallback-world/x', method => 'POST', body => 'a=b');
    is $r->status, 403, 'after one where its class did not matter';
    like $r->header('Consent-Gate'), qr/class=unsafe/, 'by its class';

    $r = ask('DE', '/error/x', method => 'POST', body => 'a=b');
    is $r->status, 403, 'where it is refused at once';
};

subtest 'X-Accel-Redirect' => sub {
    gated('/accel/?to=/internal/file.html', qr/^behind the gate$/);
    gated('/accel/?to=/free/index.html', qr/^free$/);
    gated('/accel-named', qr{^found$});

    my $uri = '/accel/?to=/internal-purpose/file.html';
    is ask('DE', $uri, account => 'accepted')->status, 403,
        'into a location that requires more';
    is ask('DE', '/internal/file.html', account => 'accepted')->status, 404,
        'an internal location is not to be had otherwise';
};

subtest 'what is exempt stays exempt' => sub {
    my $r = ask('DE', '/exempt/x');
    is $r->body, 'behind the gate', 'where it leads';
    like $r->header('Consent-Gate'), qr/^pass; reason=exempt;/, 'as such';
    is ask('DE', '/gated/file.html')->status, 302, 'the place itself is not';
};

subtest 'post_action' => sub {
    is ask('US', '/post-action/file.html')->body, 'behind the gate',
        'is no request of its own';
    is ask('DE', '/post-action/file.html')->status, 302, 'and gates nothing';
};

subtest 'the log' => sub {
    my @lines = grep { m{^/try-purpose/x } }
        split /\n/, slurp($t->dir . '/decisions.log');
    is_deeply \@lines, ['/try-purpose/x refuse purpose DE'],
        'has the last decision, once';
};

$t->done;
