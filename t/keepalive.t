use v5.36;

# Many requests on one connection, each answered right; bodies of what is
# refused are in nobody's way.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'accepted', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

$t->page("$_.html", "this is $_") for 1 .. 9;
$t->nginx(<<'END');
    %%CONSENT%%
    consent_subject $http_x_account;
    consent_gate on;
    %%REALIP%%

    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "took $request_method"; }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        client_max_body_size 1m;
        location /app { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
END

my @HTML = (Accept => 'text/html');
my ($german, $american) = map { ['X-Real-IP' => address_of($_), @HTML] }
    qw(DE US);
my $member = [@$german, 'X-Account' => 'accepted'];


sub told ($r) {
    return $r->status . ' ' . ($r->location // $r->body);
}


subtest 'one after the other' => sub {
    my $http = $t->http;
    my $socket = $http->connect;

    for my $n (1 .. 9) {
        is told($http->request('GET', "/$n.html", $american)),
            "200 this is $n", 'passes';
        is told($http->request('GET', "/$n.html", $german)),
            "302 /policy-update?return=/$n.html&need=terms,privacy,cookies",
            'is redirected';
        is told($http->request('GET', "/$n.html", $member)),
            "200 this is $n", 'passes by its record';
    }

    is $http->{socket}, $socket, 'on one connection';
};

subtest 'in one write' => sub {
    my @who = ($american, $german, $member);
    my @requests = map { ['GET', '/' . (1 + $_ % 9) . '.html',
        $who[$_ % 3]] } 0 .. 59;
    my @answers = $t->http->pipeline(@requests);
    my @expected = map {
        my $n = 1 + $_ % 9;
        $_ % 3 == 1
            ? "302 /policy-update?return=/$n.html&need=terms,privacy,cookies"
            : "200 this is $n"
    } 0 .. 59;

    is_deeply [map { told($_) } @answers], \@expected, 'in order';
};

subtest 'HEAD and GET in one write' => sub {
    my @r = $t->http->pipeline(map { [$_, '/1.html', $german] }
        qw(HEAD GET HEAD GET));
    is_deeply [map { $_->status } @r], [302, 302, 302, 302], 'in order';
};

for my $size (0, 10, 5_000, 500_000) {
    subtest "refused with a body of $size bytes" => sub {
        my @r = $t->http->pipeline(
            ['POST', '/app', $german, 'x' x $size],
            ['GET', '/2.html', $american],
            ['POST', '/app', [@$german, Accept => '*/*'], 'y' x $size],
            ['POST', '/app', $member, 'z' x $size],
            ['GET', '/3.html', $member]);

        is_deeply [map { $_->status } @r], [403, 200, 403, 200, 200],
            'the next ones are read where they begin';
        is $r[3]->body, 'took POST', 'and one with a body passes';
    };
}

subtest 'refused with chunks' => sub {
    my $chunked = "5\r\nGET /\r\n1000\r\n" . 'x' x 0x1000 . "\r\n0\r\n\r\n";
    my @r = $t->http->pipeline(
        ['POST', '/app', [@$german, 'Transfer-Encoding' => 'chunked'],
            $chunked],
        ['GET', '/4.html', $american],
        ['POST', '/app', [@$member, 'Transfer-Encoding' => 'chunked'],
            $chunked],
        ['GET', '/5.html', $american]);

    is_deeply [map { told($_) =~ s/^403 .*/403/sr } @r], ['403',
        '200 this is 4', '200 took POST', '200 this is 5'], 'in order';
};

subtest 'refused before the body has come' => sub {
    my $http = $t->http;
    $http->send_raw($http->format_request('POST', '/app',
        [@$german, 'Content-Length' => 10_000]) . 'x' x 100);
    is $http->read_response('POST')->status, 403, 'is answered at once';

    $http->send_raw('x' x 9_900);
    is told($http->request('GET', '/6.html', $american)), '200 this is 6',
        'and the rest of it is skipped';
};

subtest 'a body that never ends' => sub {
    my $http = $t->http;
    $http->send_raw($http->format_request('POST', '/app',
        [@$german, 'Content-Length' => 10_000]) . 'x' x 100);
    is $http->read_response('POST')->status, 403, 'is answered';
    $http->close;
    is told($t->http->request('GET', '/7.html', $american)),
        '200 this is 7', 'and nobody waits for it';
};

subtest 'Expect: 100-continue' => sub {
    my $http = $t->http;
    my $socket = $http->connect;

    my $ask = sub ($who) {
        $http->send_raw($http->format_request('POST', '/app',
            [@$who, Expect => '100-continue', 'Content-Length' => 4]));
        sysread $socket, my $bytes, 65_536;
        return $bytes;
    };

    like $ask->($german), qr{^HTTP/1\.1 403 }, 'is not asked for a body'
        . ' that nobody wants';
    $http->close;

    $socket = $http->connect;
    like $ask->($member), qr{^HTTP/1\.1 100 }, 'but where it passes';
    $http->send_raw('body');
    is $http->read_response('POST')->body, 'took POST', 'as ever';
};

subtest 'a malformed chunk' => sub {
    my $http = $t->http;
    $http->send_raw($http->format_request('POST', '/app',
        [@$german, 'Transfer-Encoding' => 'chunked']) . "zz\r\n");
    like $http->read_response('POST')->status, qr/^40[03]$/, 'is refused';
    is $http->read_more, 0, 'and the connection closed';
};

subtest 'HTTP/1.0' => sub {
    my $http = $t->http;
    $http->send_raw("GET /1.html HTTP/1.0\r\nAccept: text/html\r\n"
        . 'X-Real-IP: ' . address_of('DE') . "\r\n\r\n");
    my $r = $http->read_response;
    is $r->status, 302, 'is answered';
    is $r->header('Connection'), 'close', 'and closed';
};

$t->done;
