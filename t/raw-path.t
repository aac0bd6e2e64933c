use v5.36;

# nginx takes "/app/..%2fpage" for "/page", and proxy_pass without a URI sends
# it on as it came, to a server for which it is below "/app/". What is ours, or
# exempt, by its path must not be so by such a path.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->nginx(<<'END');
    %%CONSENT%%
    consent_age_page /age;
    consent_gate on;
    consent_explain on;
    consent_exempt_uri ^/feeds/ ^/health$;
    %%REALIP%%

    server {
        listen 127.0.0.1:%%PORT%%;
        location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /consent/ { consent_api; }
        location = /policy-update {
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /rewritten/ {
            rewrite ^/rewritten(/.*)$ $1 last;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "up: $request_uri"; }
    }
END

my $http = $t->http(headers => ['Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document', 'X-Real-IP' => address_of('DE')]);

# Ways to write "/app/../": each with what the upstream would see.
my @WAYS = ('/app/..%2f', '/app/..%2F', '/app/%2e%2e/', '/app/%2E%2e%2f',
    '/app/.%2e/', '/app/%2e./', '/app/../', '/app/./../', '/app/x/../../',
    '/app/x%2f../../', '/%2fapp/../', '//app/..%2f', '/app%2f../');

my @PASSING = (
    '/policy-update' => 'own',
    '/age'           => 'own',
    '/feeds/news'    => 'exempt',
    '/health'        => 'exempt',
    '/.well-known/acme-challenge/token' => 'exempt',
);

while (my ($path, $reason) = splice @PASSING, 0, 2) {
    subtest $path => sub {
        my $plain = $http->get($path);
        is $plain->status, 200, 'passes';
        is $plain->body, "up: $path", 'to the server behind';
        like $plain->header('Consent-Gate'), qr/^pass; reason=$reason;/,
            "as $reason";
        is $http->get("/$path")->status, 200, 'with two slashes too';
        is $http->get("$path?a=..%2f..%5c")->status, 200,
            'and whatever the query has';
        is $http->get($path =~ s/e/%65/r)->status, 200,
            'and with a letter encoded';

        for my $way (@WAYS) {
            my $r = $http->get($way . substr $path, 1);
            is $r->status, 302, "$way... does not pass";
            like $r->location, qr{^/policy-update\?}, 'and leads to the page';
        }
    };
}

# What the server behind may take for another path, and nginx does not.
for my $path (map { "/feeds/$_" } '..;/app', '..;x=1/app', '.;/app',
    '..\\app', '..%5capp', '%5capp', '%2fapp', 'a%2fb', 'a%2Eb',
    # decoded twice, as behind "proxy_pass http://up$uri"
    '%252e%252e/app', '..%252fapp', '..%25252Fapp', '..%255capp', '%252e./app',
    # parameters that are decoded before the dots are looked at
    '..%3b/app', '..%3B/app', '..%253b/app', '..%09/app',
    # what nginx cuts off, and sends on
    'x#/../../app', 'x#', '#/app')
{
    my $r = $http->get($path);
    is $r->status, 302, "$path does not pass";
}

is $http->get('/rewritten/feeds/x')->status, 302, 'what a rewrite makes of it';
is $http->get('/feeds/..x/...;/a;b')->status, 200, 'dots that are none';
is $http->get('/feeds/100%25/%2541/%25zz')->status, 200,
    'a percent sign that hides nothing';

# In absolute form, as a proxy is asked.
my $name = 'http://localhost';
is $http->get("$name/feeds/x")->status, 200, 'absolute';
is $http->get("$name/app/..%2ffeeds/x")->status, 302, 'absolute and encoded';

# An API is served by nginx itself: nothing is sent on.
is $http->get('/app/..%2fconsent/state')->json->{reason}, 'missing', 'the API';

$t->done;
