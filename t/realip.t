use v5.36;

# The address of the client is what the realip module makes of it, and nothing
# that a client says besides.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    root %%ROOT%%;
    add_header X-Country $consent_country always;
    add_header X-Address $remote_addr always;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name localhost;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name trusting;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from 10.9.0.0/16;
        real_ip_header X-Forwarded-For;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name recursive;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from 10.255.0.0/16;
        real_ip_header X-Forwarded-For;
        real_ip_recursive on;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name distrusting;
        set_real_ip_from 192.0.2.1;
        real_ip_header X-Real-IP;
    }
    server {
        listen 127.0.0.1:%%PORT_proxied%% proxy_protocol;
        set_real_ip_from 127.0.0.1;
        real_ip_header proxy_protocol;
    }
END

my ($german, $american, $near)
    = (address_of('DE'), address_of('US'), '10.255.0.9');


sub told ($host, @headers) {
    my $r = $t->http(host => $host)->get('/', Accept => 'text/html', @headers);
    return $r->status . ' ' . ($r->header('X-Country') || '-');
}


subtest 'without set_real_ip_from' => sub {
    my @names = qw(X-Forwarded-For X-Real-IP Forwarded Client-IP
        True-Client-IP CF-Connecting-IP X-Consent-Country CF-IPCountry
        X-Country-Code);

    is told('localhost', $_ => /Country/ ? 'DE' : $german), '200 -',
        "$_ says nothing" for @names;
};

subtest 'from a proxy that is not trusted' => sub {
    is told('distrusting', 'X-Real-IP' => $german), '200 -', 'nothing';
};

subtest 'from a trusted proxy' => sub {
    is told('trusting', 'X-Forwarded-For' => $german), '302 DE', 'inside';
    is told('trusting', 'X-Forwarded-For' => $american), '200 US', 'outside';
    is told('trusting', 'X-Forwarded-For' => "$american, $german"),
        '302 DE', 'what the client had sent counts for nothing';
    is told('trusting', 'X-Forwarded-For' => $american,
        'X-Forwarded-For' => $german), '302 DE', 'nor in a header before';
    is told('trusting', 'X-Forwarded-For' => address_of('DE', 6)),
        '302 DE', 'IPv6';
    is told('trusting', 'X-Forwarded-For' => "$german:1234"), '302 DE',
        'with a port';
    is told('trusting', 'X-Forwarded-For' => 'unknown'), '200 -',
        'a word is no address';
};

subtest 'through several trusted proxies' => sub {
    is told('recursive', 'X-Forwarded-For' => "$german, $near"), '302 DE',
        'inside';
    is told('recursive', 'X-Forwarded-For' => "$american, $german, $near"),
        '302 DE', 'the last that is not ours';
    is told('trusting', 'X-Forwarded-For' => "$german, $near"), '200 -',
        'without real_ip_recursive the last';
};

subtest 'by the PROXY protocol' => sub {
    for my $case ([DE => 302], [US => 200]) {
        my ($country, $status) = @$case;

        for my $version (4, 6) {
            my $http = $t->http(port => $t->port('proxied'));
            $http->send_raw(sprintf "PROXY TCP%d %s %s 4000 80\r\n"
                . "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n",
                $version, address_of($country, $version),
                $version == 4 ? '10.0.0.1' : '::1');

            my $r = $http->read_response;
            is $r->status . ' ' . $r->header('X-Country'),
                "$status $country", "$country, IPv$version";
        }
    }
};

$t->done;
