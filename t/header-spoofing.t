use v5.36;

# What a client may say of itself, and the gate must not believe: where it is,
# who it is, what it has accepted, which page it wants.

use lib 't/lib';
use MIME::Base64 qw(encode_base64 encode_base64url);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

# The client is where its connection comes from; the proxy that may speak for
# others is another one.
my %DATABASE = map {
    my $country = $_;
    $country => $t->mmdb({
        '127.0.0.0/8' => { country => { iso_code => $country } },
        '8.8.8.0/24'  => { country => { iso_code => 'US' } },
        '5.1.83.0/24' => { country => { iso_code => 'DE' } },
    });
} qw(DE US);

my $vpn = $t->mmdb({ '127.0.0.0/8' => { is_anonymous_vpn => 1 } });

sub site ($country, $more = '') {
    my $consent = ConsentGate::Test::consent_block()
        =~ s/%%GEO%%/$DATABASE{$country}/r;

    return <<"END";
    $consent
    consent_purpose analytics gpc=deny;
    consent_gate on;
    consent_explain on;
    consent_exempt_agent ^trusted-monitor\$;
    set_real_ip_from 192.0.2.0/24;
    real_ip_header X-Forwarded-For;
    $more
    map "" \$account { default ""; }
    server {
        listen 127.0.0.1:%%PORT%%;
        consent_subject \$account;
        include %%DIR%%/snippets/consent-headers.conf;
        location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /policy-update { return 204; }
        location /consent/ { consent_api; }
    }
    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / {
            return 200 "\$http_x_consent_country \$http_x_consent_decision
\$http_x_consent_reason \$http_x_consent_purposes \$http_x_real_ip
\$http_x_forwarded_for";
        }
    }
END
}

mkdir $t->dir . '/snippets';
$t->write_file('snippets/consent-headers.conf',
    slurp("$ConsentGate::Test::ROOT/conf/snippets/consent-headers.conf"));
$t->nginx(site('DE'));

put_record($t->redis, 'admin', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

# An address, a country and a word for where the client would like to be.
sub headers ($ip, $cc, $gate) {
    my $visitor = encode_base64url("\x01" x 24);
    my $token   = 'k1.' . encode_base64url("\x01" x 80);

    return (
        # addresses, as proxies and CDNs name them
        (map { [$_ => $ip] } qw(X-Forwarded-For X-Real-IP X-Client-IP
            X-Cluster-Client-IP X-Forwarded X-Originating-IP X-Remote-IP
            X-Remote-Addr True-Client-IP CF-Connecting-IP CF-Connecting-IPv6
            Fastly-Client-IP Fly-Client-IP X-Azure-ClientIP
            X-Azure-SocketIP X-Envoy-External-Address X-ProxyUser-IP
            WL-Proxy-Client-IP Proxy-Client-IP Remote-Addr Client-IP
            X_Forwarded_For X-Host-IP)),
        ['X-Forwarded-For' => "$ip, 192.0.2.1"],
        ['X-Forwarded-For' => $ip, 'X-Forwarded-For' => '192.0.2.1'],
        [Forwarded => "for=$ip;proto=https"],
        [Via => "1.1 $ip"],

        # countries
        (map { [$_ => $cc] } qw(CF-IPCountry CloudFront-Viewer-Country
            X-Country X-Country-Code X-Geo-Country X-GeoIP-Country
            X-AppEngine-Country X-Vercel-IP-Country X-Client-Geo-Location
            Fastly-Geo-Country GeoIP-Country-Code X-Consent-Country
            Consent-Country)),
        ['X-Akamai-Edgescape' => "country_code=$cc"],
        ['Accept-Language' => $cc eq 'US' ? 'en-US' : 'de-DE'],
        ['X-Timezone' => 'America/New_York'],

        # what the gate says itself
        ['X-Consent-Decision' => $gate], ['X-Consent-Reason' => 'accepted'],
        ['X-Consent-Purposes' => 'analytics=1'],
        ['Consent-Gate' => "$gate; reason=outside; country=$cc"],
        ['X-Consent-Override' => "$cc"], ['X-Consent-Override' => $token],
        ['X-Consent-Subject' => 'admin'], ['Consent-Override' => $cc],

        # accounts
        (map { [$_ => 'admin'] } qw(X-Account X-Remote-User Remote-User
            X-Forwarded-User X-Auth-Request-User X-User Account)),
        [Authorization => 'Basic ' . encode_base64('admin:x', '')],

        # another URI, method, host
        ['X-Original-URL' => '/policy-update'], ['X-Rewrite-URL' => '/health'],
        ['X-Original-URI' => '/consent/state'],
        ['X-Forwarded-Prefix' => '/consent'], ['X-Forwarded-Proto' => 'https'],
        ['X-Forwarded-Host' => 'elsewhere'], [Host => 'elsewhere'],
        ['X-HTTP-Method-Override' => 'OPTIONS'],
        ['X-Method-Override' => 'OPTIONS'],
        [Referer => 'http://localhost/policy-update'],
        [Origin => 'http://localhost'],

        # robots, monitors, prefetch
        ['User-Agent' => 'Googlebot/2.1 (+http://www.google.com/bot.html)'],
        ['User-Agent' => 'trusted-monitor2'], ['User-Agent' => ''],
        [From => 'googlebot(at)googlebot.com'], [Purpose => 'prefetch'],
        ['Sec-Purpose' => 'prefetch;prerender'], ['X-Moz' => 'prefetch'],
        [DNT => '1'], [DNT => '0'], ['Sec-GPC' => '0'],
        ['Sec-Fetch-Site' => 'same-origin'], ['Sec-Fetch-User' => '?1'],

        # cookies
        (map { [Cookie => $_] } 'consent=1', "consent=$visitor",
            "consent=" . 'A' x 32, 'consent=admin', "consent-receipt=$token",
            "consent-subject=$token", "consent-given=$token",
            "consent-override=$token", "consent-override=$cc",
            'cookieconsent_status=dismiss', 'CookieConsent=true',
            'euconsent-v2=CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA',
            "country=$cc", 'OptanonConsent=groups=C0001:1',
            "consent=$visitor; consent=$visitor; consent-receipt=$token",
            'consent=' . 'x' x 4000),
    );
}

my %SAY = (
    DE => ['8.8.8.8', 'US', 'pass'],        # a German who would be elsewhere
    US => ['5.1.83.10', 'DE', 'page'],      # the other way round
);
my %EXPECTED = (
    DE => '302 missing DE address absent|none',
    US => '200 outside US address absent|none',
);

sub told ($headers) {
    my $http = $t->http(headers => ['Sec-Fetch-Mode' => 'navigate',
        'Sec-Fetch-Dest' => 'document']);
    my $r = $http->get('/', @$headers);
    my ($reason, $country, $source, $record) = $r->header('Consent-Gate') =~
        /reason=(\w+); country=(\S+); source=(\w+);.* record=(\w+)/;

    return ($r->status . " $reason $country $source", $record, $r);
}

for my $country (qw(DE US)) {
    if ($country eq 'US') {
        ok $t->reload(site('US')), 'now the client is in America';
    }

    subtest "a client in $country" => sub {
        my @headers = headers(@{ $SAY{$country} });
        my ($expected) = $EXPECTED{$country} =~ /^(.*) \S+$/;

        cmp_ok scalar @headers, '>=', 40, scalar(@headers) . ' of them';

        is +(told([]))[0], $expected, 'what it is without';

        for my $headers (@headers) {
            my ($what, $record, $r) = told($headers);

            is $what, $expected, substr "@$headers", 0, 70;
            like $record, qr/^(?:absent|none)$/, 'nor is there a record'
                if $what eq $expected && $record !~ /^(?:absent|none)$/;
            is $r->header('Set-Cookie'), undef, 'and no cookie is set'
                if $r->status == 200;
        }

        my @all = map { @$_ } grep { $_->[0] ne 'Host' && $_->[0] ne 'Cookie'
            && $_->[0] ne 'User-Agent' && $_->[0] ne 'Authorization' }
            @headers;
        is +(told(\@all))[0], $expected, 'all at once';
    };
}

subtest 'what the application is told' => sub {
    my (undef, undef, $r) = told(['X-Consent-Country' => 'DE',
        'X-Consent-Decision' => 'page', 'X-Consent-Reason' => 'accepted',
        'X-Consent-Purposes' => 'analytics=1', 'X-Real-IP' => '5.1.83.10',
        'X-Forwarded-For' => '5.1.83.10']);
    is $r->body =~ s/\n/ /gr,
        'US pass outside analytics=0 127.0.0.1 5.1.83.10, 127.0.0.1',
        'is what the gate says';
};

subtest 'a VPN cannot talk itself out' => sub {
    ok $t->reload(site('US', "consent_anonymizer_db $vpn;"
        . ' consent_anonymizer gate;')), 'the address is known as a VPN';
    for my $headers (headers('8.8.8.8', 'US', 'pass')) {
        is +(told($headers))[0], '302 missing US anonymizer',
            substr "@$headers", 0, 70;
    }
};

$t->done;
