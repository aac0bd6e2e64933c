use v5.36;

# Whatever bytes a client sends, it gets a well-formed answer or none at all,
# and the worker goes on. CG_SEED=N repeats a run, CG_FUZZ=N sends more.

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Override qw(override_token);
use ConsentGate::Flow;
use ConsentGate::HTTP::Response;
use ConsentGate::Test;

use constant {
    REQUESTS => $ENV{CG_FUZZ} // 3000,
    CLIENTS  => 48,             # at a time
    PATIENCE => 20,             # seconds for one answer
    SHOWN    => 5,              # failures that are printed
};

my $seed = $ENV{CG_SEED} // int rand 2**31;
srand $seed;
note "CG_SEED=$seed";

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $site = flow_site(
    http => <<'END',
        consent_purpose analytics;
        consent_cache zone=fuzz:1m;
        client_header_timeout 300ms;
        client_body_timeout 300ms;
        client_body_buffer_size 1k;
        keepalive_timeout 2s;
        # what is without end is not read to its end
        lingering_close off;
        reset_timedout_connection on;
END
    server => <<'END',
        consent_subject $http_x_test_account;
        consent_override allow=$http_x_tester signed;
        location = /qa { consent_qa; }
        consent_exempt_uri ^/free/;
        consent_exempt_agent Monitor;
        location = /closed {
            consent_on_error closed;
            try_files /index.html =404;
        }
        location = /purpose {
            consent_require_purpose analytics;
            try_files /index.html =404;
        }
        location /inner/ { try_files $uri /index.html; }
        error_page 404 /missing;
END
);

my $nginx = $t->nginx($site);
# a worker takes its title shortly after it serves
my ($worker) = @{ wait_for(sub { my @w = $nginx->children; @w && \@w }) };
my $redis = $t->redis;


# What a client says that is right: cookies, tokens.

my $browser = $t->browser('DE');
my $token   = show($browser, 'return=/x')->{form_token};
answer($browser);
my $cookies = $browser->jar->header('/');
my $anna    = $t->script('DE', headers => ['X-Test-Account' => 'anna']);
my $state   = $anna->get('/consent/state')->json;


# Requests before they are spoiled: method, URI, headers, body.

my @NAVIGATION = ('Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document', Accept => 'text/html');
my @SCRIPT = ('Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty',
    Accept => 'application/json', Origin => 'http://localhost');

sub form ($what, $form, @headers) {
    return ['POST', "/consent/$what",
        ['Content-Type' => 'application/x-www-form-urlencoded', @headers],
        $form];
}

# A visitor who has not answered yet.
sub newcomer () {
    my $new = $t->browser('DE');
    my $own = show($new)->{form_token};

    return form('accept', "token=$own&document=terms&document=privacy"
        . '&document=cookies', Cookie => $new->jar->header('/'));
}

sub json ($what, $json, @headers) {
    return ['POST', "/consent/$what",
        ['Content-Type' => 'application/json', @SCRIPT, @headers], $json];
}

my $FORM = "token=$token&return=%2Fx&document=terms&document=privacy"
    . '&document=cookies&purpose=analytics';
my $JSON = qq({"token":"$state->{token}","documents":["terms","privacy",)
    . '"cookies"],"purposes":["analytics"],"return":"/x"}';

my $tester = override_token(country => 'FR', record => 'outdated',
    offset => 86_400);
my $WORDS = 'country=DE&anonymizer=vpn&time=%2B30d&record=minor&residence=US'
    . '&history=3&label=fuzz&ttl=1h&class=api&path=%2Fx';
my ($qa) = $t->get('/qa?preview=1', 'X-Tester' => 1)->body
    =~ /name="token" value="([^"]+)"/;

my @VALID = (
    ['GET', '/', [@NAVIGATION, 'X-Consent-Override' => $tester]],
    ['GET', "/?a=1&consent_override=$tester&b", [@NAVIGATION]],
    ['GET', '/', [@SCRIPT, Cookie => "$cookies; consent-override=$tester"]],
    ['GET', '/?consent_override=off', [@NAVIGATION,
        Cookie => "consent-override=$tester"]],
    ['GET', '/', [@NAVIGATION, 'X-Tester' => 1, 'X-Consent-Country' => 'EL',
        'X-Consent-Time' => '2030-01-01', 'X-Consent-Record' => 'notice',
        'X-Consent-Residence' => 'US', 'X-Consent-History' => 3,
        'X-Consent-Anonymizer' => 'tor']],
    ['GET', "/qa?preview=1&$WORDS", [@NAVIGATION, 'X-Tester' => 1]],
    ['GET', "/qa?preview=1&format=json&$WORDS", [@NAVIGATION, 'X-Tester' => 1]],
    ['GET', '/qa', [@NAVIGATION, Cookie => "consent-override=$tester"]],
    ['POST', '/qa', ['Content-Type' => 'application/x-www-form-urlencoded',
        'X-Tester' => 1], "$WORDS&token=$qa"],
    ['GET', '/', [@NAVIGATION]],
    ['GET', '/', [@NAVIGATION, Cookie => $cookies]],
    ['HEAD', '/inner/%41%2f?a=b', [@NAVIGATION]],
    ['GET', '/a.js', ['Sec-Fetch-Dest' => 'script',
        'Sec-Fetch-Mode' => 'no-cors']],
    ['GET', '/purpose', [@SCRIPT, Cookie => $cookies, 'Sec-GPC' => 1]],
    ['POST', '/', [@NAVIGATION, 'Sec-Fetch-Site' => 'cross-site'], 'a=b'],
    ['GET', '/chat', [Upgrade => 'websocket', Connection => 'Upgrade']],
    ['OPTIONS', '/x', [Origin => 'http://other']],
    ['GET', '/closed', [@NAVIGATION, 'X-Test-Account' => 'bert']],
    ['GET', '/', [@SCRIPT, 'X-Tester' => 1, 'X-Consent-Country' => 'IS']],
    ['GET', '/policy-update?return=%2Fx%3Fy&need=terms,privacy&problem=old',
        [@NAVIGATION, Cookie => $cookies, 'Accept-Language' => 'de-AT,en']],
    ['GET', '/policy-update?return=/', [@NAVIGATION]],
    ['GET', '/consent/state', [@SCRIPT, Cookie => $cookies]],
    ['GET', '/consent/state', [@SCRIPT, 'X-Test-Account' => 'anna']],
    form('accept', $FORM, @NAVIGATION, Cookie => $cookies),
    form('decline', $FORM, Cookie => $cookies, 'Sec-Fetch-Site' =>
        'same-origin'),
    json('accept', $JSON, 'X-Test-Account' => 'anna'),
    json('decline', $JSON, 'X-Test-Account' => 'anna'),
    form('purposes', $FORM, @NAVIGATION, Cookie => $cookies),
    form('residence', "$FORM&residence=DE", Cookie => $cookies),
    form('age', "$FORM&age=yes", Cookie => $cookies),
    form('withdraw', $FORM, Cookie => $cookies),
    json('erase', $JSON =~ s/\}$/,"residence":"FR","age":"no"}/r,
        'X-Test-Account' => 'anna'),
    json('residence', $JSON =~ s/\}$/,"residence":null}/r,
        'X-Test-Account' => 'bert'),
    ['GET', '/consent/export', [@SCRIPT, Cookie => $cookies]],
    ['GET', '/consent/export', [@NAVIGATION, 'X-Test-Account' => 'anna']],
    map { newcomer() } 1 .. 10,
);


# What is put in the place of a value.

my $LONG = 8000;                # bytes: more than a header may have
my @ODD = (
    '', ' ', "\t", '/', '//', '/\\evil', '/%2f%2fevil', '//evil/', '/%0d%0aX:y',
    '%', '%%', '%4', '%zz', '%00', '%0d%0aSet-Cookie:%20a=b', '..', '/../..',
    '*', '?', '#', "\x00", "\x01", "\x7f", "\xc3\xbf", "\xff\xfe",
    "\xed\xa0\x80",
    '0', '-1', '00', '1' x 40, '18446744073709551616', '1e999', 'null', 'true',
    '{', '}', '[[', '"', '"\\ud800"', '[' x 3000, '{"a":' x 600, ',' x 500,
    '=', '&', ';', '&&&===', 'a=' x 500, '.', '..' x 20, 'k1.', 'k1.AAAA',
    'terms', 'terms,' x 400, 'DE', 'EU', 'A1', 'T1', 'XX', 'navigate', 'nested',
    'document', 'iframe', 'websocket', 'cross-site', 'none', 'same-origin',
    'null', 'http://', 'https://localhost:99999', 'chunked', 'identity',
    'gzip, chunked', 'close', 'keep-alive', '%s%n%x', '$http_x', '${jndi:x}',
    'A' x $LONG, "\xff" x $LONG, 'consent=' . 'A' x 200, $cookies x 20,
    $token, "$token$token", scalar reverse($token), uc $token,
);
my @NAMES = qw(Cookie Cookie Cookie Host Accept Accept-Language Origin
    Sec-Fetch-Mode Sec-Fetch-Dest Sec-Fetch-Site Sec-GPC X-Requested-With
    Upgrade Connection Content-Type Content-Length Transfer-Encoding Expect
    X-Real-IP X-Test-Account X-Tester X-Consent-Country User-Agent Range
    If-Modified-Since Referer TE Consent-Gate);
my @METHODS = qw(GET HEAD POST PUT DELETE OPTIONS TRACE CONNECT PATCH PROPFIND
    get G-T _);

sub pick (@list) { return $list[rand @list] }

sub chars ($n) { return join '', map { chr rand 256 } 1 .. $n }

# A few bytes changed, removed, doubled or put in.
sub spoil ($text, $times = 1 + rand 3) {
    for (1 .. $times) {
        my $at  = int rand(1 + length $text);
        my $len = int rand(pick(2, 8, 64));
        $len = length($text) - $at if $at + $len > length $text;
        my $new = pick('', chars(1 + rand 4), pick(@ODD),
            substr($text, $at, $len) x 2);
        substr $text, $at, $len, $new;
    }

    return $text;
}

# The cookies of ours, some of whose values are odd.
sub odd_cookies () {
    my @pairs = split /; /, $cookies;

    return join pick('; ', ';', ' ;', ', '), map {
        my ($name, $value) = split /=/, pick(@pairs), 2;
        $name .= pick('', '', '', '-gated', '-receipt', '_gated', 'x');
        "$name=" . pick($value, spoil($value), spoil($value), pick(@ODD));
    } 1 .. 1 + rand pick(3, 30);
}

my @MUTATIONS = (
    sub ($rq) { $rq->[0] = pick(@METHODS) },
    sub ($rq) { $rq->[1] = spoil($rq->[1]) },
    sub ($rq) { $rq->[1] .= pick('/', '?', '#', '%') . pick(@ODD) },
    sub ($rq) { $rq->[1] = '/policy-update?' . pick(qw(return need problem))
        . '=' . spoil(pick(@ODD)) },
    sub ($rq) { $rq->[3] = spoil($rq->[3]) if defined $rq->[3] },
    sub ($rq) { $rq->[3] =~ s/"[^"]*"|=[^&]*/pick(@ODD)/e
        if defined $rq->[3] },
    sub ($rq) { $rq->[3] = pick(@ODD) },
    sub ($rq) { $rq->[3] = 'x' x (30_000 + rand 5000) },
    sub ($rq) { push @{ $rq->[2] }, Cookie => odd_cookies() },
    sub ($rq) { push @{ $rq->[2] }, pick(@NAMES) => pick(@ODD) },
    sub ($rq) { push @{ $rq->[2] }, pick(@NAMES) => spoil(pick(@ODD)) },
    sub ($rq) { push @{ $rq->[2] }, spoil(pick(@NAMES)) => 'x' },
    sub ($rq) { push @{ $rq->[2] },
        map { pick(@NAMES) => pick(@ODD) } 1 .. rand 60 },
    sub ($rq) {
        my $headers = $rq->[2] or return;
        my $i = 2 * int rand(@$headers / 2);
        $headers->[$i + 1] = spoil($headers->[$i + 1] // '') if @$headers;
    },
);


# One request as bytes. One in five is spoiled as a whole, too.
sub make_request () {
    my ($method, $uri, $headers, $body) = @{ pick(@VALID) };
    my $rq = [$method, $uri, [@$headers], $body];

    pick(@MUTATIONS)->($rq) for 1 .. rand 4;

    my $http  = $t->client(pick(qw(DE DE DE IS US CH)), []);
    my $bytes = $http->format_request(@$rq);
    $bytes = spoil($bytes) if rand() < 0.2;

    return $bytes;
}


# What is wrong with an answer; nothing if it is well-formed.

my $TOKEN = qr/[!#\$%&'*+.^_`|~0-9A-Za-z-]+/;       # RFC 9110, 5.6.2

sub faults ($request, $bytes) {
    # no answer: the request was too odd for one, or not whole
    return if $bytes eq '';

    # a request without a version is one of HTTP/0.9, and so is its answer
    my ($line) = $request =~ /^[\r\n]*([^\n]*)/;
    return if $line !~ m{ HTTP/} && $bytes !~ m{^HTTP/};

    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    return 'no end of headers' if !defined $body;

    my ($status_line, @lines) = split /\r\n/, $head, -1;
    my ($status) = $status_line =~ m{^HTTP/1\.1 (\d{3}) [ -~]*$}
        or return "status line: $status_line";

    my @bad = grep { !/^$TOKEN: [\t\x20-\x7e\x80-\xff]*$/ } @lines;
    return "header: $bad[0]" if @bad;

    my %count;
    $count{ lc s/:.*//sr }++ for @lines;
    my @twice = grep { $_ ne 'set-cookie' && $count{$_} > 1 } keys %count;
    return "more than once: @twice" if @twice;

    my ($location) = $head =~ /^Location: (.*?)\r?$/m;
    return "location: $location"
        if defined $location && $location !~ m{^/(?![/\\])[\x21-\x7e]*$};

    return unexpected($request, $line, $status);
}

# nginx itself refuses versions with 505 and transfer codings with 501.
sub unexpected ($request, $line, $status) {
    return if $status < 500 || $status == 503;
    return if $status == 505 && $line !~ m{ HTTP/1\.[01]\r?$};
    return if $status == 501 && $request =~ /transfer-encoding/i;
    return "status $status";
}


# Sends every request on a connection of its own; returns how many answers of
# each status came, and the failures.

sub send_all ($count) {
    my ($select, %client, %status, @failures) = (IO::Select->new);

    my $start = sub () {
        return if $count-- <= 0;
        my $request = make_request();
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->port) or die "connect: $!";
        $socket->blocking(0);
        $client{$socket} = { request => $request, out => $request, in => '',
            until => time + PATIENCE };
        $select->add($socket);
    };

    my $end = sub ($socket, $more = undef) {
        my $c = delete $client{$socket};
        $select->remove($socket);
        close $socket;
        $status{ $c->{in} =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'none' }++;
        push @failures, map { [$_, $c->{request}] }
            $more // (), faults($c->{request}, $c->{in});
        $start->();
    };

    local $SIG{PIPE} = 'IGNORE';
    $start->() for 1 .. CLIENTS;

    while ($select->count) {
        my $writing = IO::Select->new(grep { $client{$_}{out} ne '' }
            $select->handles);
        my ($readable, $writable)
            = IO::Select->select($select, $writing, undef, 1);

        for my $socket (@{ $writable // [] }) {
            my $c = $client{$socket};
            my $n = syswrite $socket, $c->{out};
            # refused half way: what it says is there to be read
            substr $c->{out}, 0, $n // length $c->{out}, '';
        }

        for my $socket (@{ $readable // [] }) {
            my $c = $client{$socket};
            my $n = sysread $socket, $c->{in}, 65_536, length $c->{in};
            next if !defined $n && $!{EAGAIN};
            $end->($socket) if !$n || whole($c);
        }

        $end->($_, 'no answer in time')
            for grep { $client{$_}{until} < time } $select->handles;
    }

    return (\%status, \@failures);
}

sub whole ($c) {
    my ($method) = $c->{request} =~ /^\s*(\S*)/;
    my ($response) = eval {
        ConsentGate::HTTP::Response->parse($c->{in}, $method);
    };

    return $response;
}

sub printable ($bytes) {
    $bytes =~ s/([^ -~\n])/sprintf '\\x%02x', ord $1/ge;
    return length $bytes > 2000 ? substr($bytes, 0, 2000) . '...' : $bytes;
}

sub fuzz ($count, $name, $expected) {
    my ($status, $failures) = send_all($count);

    is scalar(@$failures), 0, "$name: each of $count answers is well-formed";
    diag "CG_SEED=$seed $_->[0]\n", printable($_->[1])
        for splice @$failures, 0, SHOWN;

    note join ' ', $name, map { "$_:$status->{$_}" } sort keys %$status;
    ok $status->{$_}, "$name: some are $_" for @$expected;
    cmp_ok $status->{none} // 0, '<', $count / 5, "$name: few get none";
    is_deeply [$nginx->children], [$worker], "$name: it is the same worker";

    return;
}


fuzz(REQUESTS * 0.8, 'with the store', [200, 302, 400, 403, 405]);

is $t->browser('US')->get('/')->body, 'home', 'it still serves';
is $anna->get('/consent/state')->status, 200, 'and still knows';

$redis->stop;
fuzz(REQUESTS * 0.2, 'without it', [200, 400, 503]);

$redis->start;
ok wait_for(sub {
    $anna->get('/consent/state')->status == 200
}, 15), 'and on when it is back';

$t->done;
