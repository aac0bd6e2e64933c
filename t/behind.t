use v5.36;

# Behind a proxy, a balancer with the PROXY protocol, and a CDN: the snippets,
# with our addresses in the place of theirs.

use lib 't/lib';
use Socket qw(inet_aton inet_pton AF_INET6);
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

# 192.0.2.0/24 is who may speak for others: in the tests, 127.0.0.1.
sub snippet ($name) {
    my $text = slurp("$ConsentGate::Test::ROOT/conf/snippets/$name.conf");
    return $text =~ s{192\.0\.2\.0/24}{127.0.0.1/32}gr;
}

$t->write_file("snippets/$_.conf", snippet($_))
    for qw(behind-proxy behind-proxy-protocol behind-cdn);

for my $name (qw(behind-proxy behind-proxy-protocol behind-cdn)) {
    my $r = $t->nginx_t("include snippets/$name.conf;\n"
        . 'server { listen 127.0.0.1:%%PORT%%; }');
    like $r->{output}, qr/test is successful/, "nginx -t takes $name"
        or diag $r->{output};
}

my $socket = "$t->{sockets}/direct.sock";

my $SERVER = <<'END';
    root %%ROOT%%;
    consent_gate on;
    consent_explain on;
    add_header X-Address $remote_addr always;
END

$t->page('index.html', 'home');
$t->nginx(<<"END");
    %%CONSENT%%
    $SERVER
    server {
        listen 127.0.0.1:%%PORT%%;
        listen unix:$socket;
        include snippets/behind-proxy.conf;
    }
    server {
        listen 127.0.0.1:%%PORT_pp%% proxy_protocol;
        listen 127.0.0.1:%%PORT_pptls%% ssl proxy_protocol;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        include snippets/behind-proxy-protocol.conf;
    }
    server {
        listen 127.0.0.1:%%PORT_far%% proxy_protocol;
        set_real_ip_from 192.0.2.0/24;
        real_ip_header proxy_protocol;
    }
END

my @NAVIGATION = ('Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document');

# "302 DE 10.6.0.1"
sub told ($r) {
    my ($country) = $r->header('Consent-Gate') =~ /country=(\S+);/;
    return join ' ', $r->status, $country, $r->header('X-Address');
}

my ($de, $us) = (address_of('DE'), address_of('US'));


subtest 'a proxy' => sub {
    my $http = $t->http(headers => [@NAVIGATION]);
    my $ask = sub (@for) {
        told($http->get('/', map { ('X-Forwarded-For' => $_) } @for));
    };

    is $ask->($de), "302 DE $de", 'names the client';
    is $ask->($us), "200 US $us", 'another';
    is $ask->("$us, $de"), "302 DE $de", 'what a client has put in front';
    is $ask->($us, $de), "302 DE $de", 'in a line of its own';
    is $ask->("$us, $de, 127.0.0.1"), "302 DE $de", 'and two proxies';
    is $ask->('nonsense'), '200 - 127.0.0.1', 'no address';
    is $ask->(), '200 - 127.0.0.1', 'nothing';
    is $ask->(address_of('DE', 6)), '302 DE ' . address_of('DE', 6), 'IPv6';
};

subtest 'who is no proxy' => sub {
    my $http = $t->http(unix => $socket, headers => [@NAVIGATION]);
    is told($http->get('/', 'X-Forwarded-For' => $us)), '200 - unix:',
        'is not believed';
};

# The PROXY protocol, as HAProxy's specification has it.
sub v1 ($from, $family = 'TCP4') {
    return "PROXY $family $from 127.0.0.1 4711 80\r\n";
}

sub v2 ($from) {
    my ($family, $addresses) = $from =~ /:/
        ? (0x21, inet_pton(AF_INET6, $from) . inet_pton(AF_INET6, '::1'))
        : (0x11, inet_aton($from) . inet_aton('127.0.0.1'));

    return "\r\n\r\n\0\r\nQUIT\n" . pack('C C n', 0x21, $family,
        length($addresses) + 4) . $addresses . pack 'n n', 4711, 80;
}

sub through ($port, $line, @headers) {
    my $http = $t->http(port => $t->port($port), headers => [@NAVIGATION]);
    $http->send_raw($line . $http->format_request('GET', '/', \@headers));
    my $r = $http->read_response;
    return $r ? told($r) : 'closed';
}

subtest 'the PROXY protocol' => sub {
    is through(pp => v1($de)), "302 DE $de", 'version 1';
    is through(pp => v1($us)), "200 US $us", 'another';
    is through(pp => v1(address_of('DE', 6), 'TCP6')),
        '302 DE ' . address_of('DE', 6), 'IPv6';
    is through(pp => v2($de)), "302 DE $de", 'version 2';
    is through(pp => v2(address_of('US', 6))), '200 US ' . address_of('US', 6),
        'IPv6';
    is through(pp => v1($de), 'X-Forwarded-For' => $us,
        'X-Real-IP' => $us), "302 DE $de", 'what headers say does not matter';
    is through(pp => "PROXY UNKNOWN\r\n"), '200 - 127.0.0.1', 'unknown';
    is through(pp => ''), 'closed', 'no line, no connection';
    is through(pp => "PROXY TCP4 $de\r\n"), 'closed', 'half a line';
    is through(far => v1($us)), '200 - 127.0.0.1',
        'from who is no balancer it is read, and not believed';
};

subtest 'several requests of one connection' => sub {
    my $http = $t->http(port => $t->port('pp'), headers => [@NAVIGATION]);
    $http->send_raw(v1($de) . $http->format_request('GET', '/'));
    is told($http->read_response), "302 DE $de", 'the first';
    is told($http->get('/')), "302 DE $de", 'the next';
};

subtest 'the PROXY protocol and TLS' => sub {
    my $out = $t->curl('--include', '--haproxy-protocol', '--insecure',
        '--header', 'Sec-Fetch-Mode: navigate',
        '--header', 'Sec-Fetch-Dest: document',
        'https://127.0.0.1:' . $t->port('pptls') . '/');
    like $out, qr/^HTTP\S+ 200 .*^X-Address: 127\.0\.0\.1\r?$/msi,
        'curl says where it is itself';
};

subtest 'a CDN' => sub {
    ok $t->reload(<<"END"), 'another configuration';
        %%CONSENT%%
        $SERVER
        include snippets/behind-cdn.conf;
        server {
            listen 127.0.0.1:%%PORT%%;
            listen unix:$socket;
        }
END

    my $ask = sub ($http, $address, $country) {
        return told($http->get('/', 'CF-Connecting-IP' => $address,
            'CF-IPCountry' => $country));
    };
    my $cdn = $t->http(headers => [@NAVIGATION]);

    is $ask->($cdn, $us, 'DE'), "302 DE $us", 'tells the country';
    is $ask->($cdn, $de, 'US'), "200 US $de", 'whatever a database says';
    is $ask->($cdn, $de, 'de'), "302 DE $de", 'in lower case';
    is $ask->($cdn, $us, 'T1'), "302 T1 $us", 'Tor is asked';
    is $ask->($cdn, $us, 'XX'), "302 - $us", 'so is the unknown';
    is $ask->($cdn, $us, undef), "302 - $us", 'and who comes without';

    my $direct = $t->http(unix => $socket, headers => [@NAVIGATION]);
    is $ask->($direct, $us, 'US'), '302 - unix:',
        'who goes round the CDN is not believed, and asked';
    is $ask->($direct, $us, $_), '302 - unix:', "not with '$_' either"
        for 'US', 'us', '';

    is $cdn->get('/', 'CF-Connecting-IP' => $us, 'CF-IPCountry' => 'DE',
        'CF-IPCountry' => 'US')->status, 302, 'two headers are no way out';
};

$t->done;
