use v5.36;

# The snippets for those who cannot answer: robots, health checks, webhooks,
# certificates, feeds, old apps. Each does what it says, and no more.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $CONF = "$ConsentGate::Test::ROOT/conf";
my @FILES = qw(robots health webhooks acme feeds apps);

# As installed: snippets/ beside nginx.conf.
$t->write_file("snippets/exempt-$_.conf", slurp("$CONF/snippets/exempt-$_.conf"))
    for @FILES;
$t->write_file('snippets/robots.geo', slurp("$CONF/snippets/robots.geo"));

# A "return" runs before the gate: an application instead.
my $SITE = <<'END';
    %%CONSENT%%
    consent_gate on;
    consent_explain on;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    include snippets/exempt-robots.conf;
    include snippets/exempt-apps.conf;

    server {
        listen 127.0.0.1:%%PORT%%;
        consent_exempt $robot $old_app;
        include snippets/exempt-health.conf;
        include snippets/exempt-webhooks.conf;
        include snippets/exempt-acme.conf;
        include snippets/exempt-feeds.conf;
        location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /refused {
            if ($request_uri ~* "^[^?]*(%(25)*(2f|5c|2e)|\\\\|#)") { return 400; }
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "up"; }
    }
END

for my $name (@FILES) {
    my $text = slurp("$CONF/snippets/exempt-$name.conf");
    my $http = $text =~ /^map|^geo/m;
    my $r = $t->nginx_t(($http ? "include snippets/exempt-$name.conf;\n" : '')
        . "server { listen 127.0.0.1:%%PORT%%;\n"
        . ($http ? '' : "include snippets/exempt-$name.conf;\n") . '}');
    like $r->{output}, qr/test is successful/, "nginx -t takes exempt-$name"
        or diag $r->{output};
}

$t->nginx($SITE);

my $http = $t->http(headers => [Accept => '*/*']);

# Whether a client in Germany passes, and is exempt.
sub exempt ($uri, %headers) {
    my $method = delete $headers{method} // 'GET';
    my $address = delete $headers{from} // address_of('DE');
    my $r = $http->request($method, $uri,
        ['X-Real-IP' => $address, %headers]);
    my $why = $r->header('Consent-Gate');

    return 'yes' if $r->status == 200 && $why =~ /^pass; reason=exempt;/;
    return 'no' if $why !~ /^pass/;
    return $r->status . " $why";
}

sub all_of ($answer, $what, @uris) {
    is exempt($_), $answer, "$what: $_" for @uris;
    return;
}


subtest 'health checks' => sub {
    all_of(yes => 'exempt', qw(/healthz /livez /readyz /ping /healthz?full=1));
    all_of(no => 'not', qw(/healthz2 /healthz/ /a/healthz /health /pings /));
    is exempt('/', 'User-Agent' => 'ELB-HealthChecker/2.0'), 'no',
        'an agent is not enough';
};

subtest 'webhooks' => sub {
    is exempt('/webhooks/x', method => 'POST'), 'yes', 'a POST';
    is exempt($_, method => 'POST'), 'yes', $_
        for qw(/webhooks/a/b /hooks/payment /hooks/mail);
    is exempt($_, method => 'POST'), 'no', $_
        for qw(/hooks/other /webhooks-more /a/webhooks/ /hooks/payment/x
            /webhooks/..%2fapp /webhooks/../app /app/..%2fwebhooks/x);
};

subtest 'certificates and fixed places' => sub {
    all_of(yes => 'exempt', map { "/.well-known/$_" }
        qw(acme-challenge/abc security.txt change-password
        apple-app-site-association assetlinks.json gpc.json));
    all_of(no => 'not', map { "/.well-known/$_" }
        qw(security.txt.bak other acme-challenge change-passwords x/gpc.json));
};

subtest 'feeds' => sub {
    all_of(yes => 'exempt', qw(/robots.txt /sitemap.xml /sitemap-3.xml
        /sitemap1.xml.gz /feed /rss /atom.xml /feed.xml /feeds/news.xml
        /favicon.ico /apple-touch-icon-120x120.png /site.webmanifest));
    all_of(no => 'not', qw(/robots.txt/ /feeds /feeds/ /feeds/a/b.xml
        /feedback /rss/private /a/favicon.json /sitemap/x.json));
};

subtest 'an app from before' => sub {
    my $ask = sub ($uri, $agent) {
        return exempt($uri, 'User-Agent' => $agent);
    };
    is $ask->('/app-api/courses', 'ExampleApp/3.12 (Android)'), 'yes', 'is let';
    is $ask->('/app-api/courses', 'ExampleApp/0.9.1 iOS'), 'yes', 'let';
    is $ask->('/app-api/courses', $_), 'no', "'$_' is not"
        for 'ExampleApp/4.0 (Android)', 'ExampleApp/13.0 (x)', 'Mozilla/5.0',
        'x ExampleApp/3.1 y', 'ExampleApp/3', '';
    is $ask->('/courses', 'ExampleApp/3.12 (Android)'), 'no', 'nor elsewhere';
    is $ask->('/x?/app-api/', 'ExampleApp/3.12 (Android)'), 'no', 'nor by query';
};

my $GOOGLE = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://google/bot.html)';
my $BING   = 'Mozilla/5.0 (compatible; bingbot/2.0; +http://bing/bingbot.htm)';

subtest 'robots, as long as no range is known' => sub {
    is exempt('/', 'User-Agent' => $GOOGLE), 'no', 'none is exempt';
};

# The lists as they are published.
my %LISTS = (
    google => '{"creationTime": "2026-01-01T00:00:00.000000", "prefixes": [
        {"ipv6Prefix": "2001:db8:6::/64"}, {"ipv4Prefix": "10.6.7.0/27"}]}',
    bing   => '{"creationTime": "2026-01-01T00:00:00.000000", "prefixes": [
        {"ipv4Prefix": "10.6.9.0/28"}]}',
);

# Runs conf/demo/robots-geo: output and exit code.
sub robots_geo (%lists) {
    my @args = map {
        ($_, $t->write_file("$_.json", $lists{$_}))
    } sort keys %lists;
    my $output = qx{'$CONF/demo/robots-geo' @args 2>&1};

    return ($output, $? >> 8);
}

subtest 'robots' => sub {
    my ($text, $code) = robots_geo(%LISTS);
    is $code, 0, 'the ranges that engines publish become lines' or diag $text;
    is_deeply [grep { /^[^#]/ } split /\n/, $text], ['10.6.7.0/27 google;',
        '10.6.9.0/28 bing;', '2001:db8:6::/64 google;'], 'these';
    $t->write_file('snippets/robots.geo', $text);
    ok $t->reload, 'taken by a reload';

    is exempt('/', from => '10.6.7.9', 'User-Agent' => $GOOGLE), 'yes',
        "Google's robot from Google";
    is exempt('/', from => '2001:db8:6::9', 'User-Agent' => $GOOGLE), 'yes',
        'by IPv6';
    is exempt('/', from => '10.6.9.3', 'User-Agent' => $BING), 'yes',
        "Bing's from Bing";
    is exempt('/', from => '10.6.8.9', 'User-Agent' => $GOOGLE), 'no',
        'not from elsewhere';
    is exempt('/', from => '10.6.9.3', 'User-Agent' => $GOOGLE), 'no',
        'nor one from the other';
    is exempt('/', from => '10.6.7.9', 'User-Agent' => 'Mozilla/5.0'), 'no',
        'nor a person from there';
    is exempt('/', from => '10.6.7.9'), 'no', 'nor without an agent';
};

subtest 'lists that are none' => sub {
    my %bad = (
        'a page of an error' => '<html>503</html>',
        'nothing'            => '',
        'no ranges'          => '{"prefixes": []}',
        'another list'       => '["10.0.0.0/24"]',
        'no address'         => '{"prefixes": [{"ipv4Prefix": "x/24"}]}',
        'everybody'          => '{"prefixes": [{"ipv4Prefix": "0.0.0.0/0"}]}',
        'all of IPv6'        => '{"prefixes": [{"ipv6Prefix": "2000::/3"}]}',
        'a directive'        =>
            '{"prefixes": [{"ipv4Prefix": "10.0.0.0/24 x; default 1; #/24"}]}',
        'another member'     => '{"prefixes": [{"prefix": "10.0.0.0/24"}]}',
    );

    for my $what (sort keys %bad) {
        my ($text, $code) = robots_geo(google => $bad{$what});
        isnt $code, 0, "$what is refused";
        unlike $text, qr/google;/, 'and makes no line';
    }
};

subtest 'paths that may mean two, refused' => sub {
    my $get = sub ($uri) {
        return $http->get($uri, 'X-Real-IP' => address_of('DE'))->status;
    };
    is $get->('/refused'), 403, 'the path itself is gated';
    is $get->('/refused/../refused'), 403, 'as nginx reads it';
    is $get->($_), 400, "$_ is refused"
        for '/x/..%2frefused', '/x/%2e%2e/refused', '/x%5c/../refused',
        '/x\\/../refused';
    is $get->('/refused?a=%2f'), 403, 'a query is not';
};

$t->done;
