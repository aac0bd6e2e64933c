use v5.36;

# An answer that cannot be sent at once, for its client takes no more for now,
# is sent later or ends with the connection: nothing of it is left behind.

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Http2 qw(PREFACE fields_block frame header_frames status_of
    take_frame);
use ConsentGate::Link;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
# more than there is room for on the way: nothing of it is read
truncate $t->page('large.css', ''), 64_000_000 or die "large.css: $!";

$t->nginx(flow_site(server => <<'END'));
    listen 127.0.0.1:%%PORT_h2%% http2;
    consent_override allow=$http_x_tester;
    location = /qa { consent_qa; }
    location = /connections {
        consent_gate off;
        stub_status;
    }
END

sub active () {
    return $t->get('/connections')->body =~ /^Active connections: (\d+)/
        ? $1 : die 'no status';
}

# Opens a connection whose client takes no bodies: with a window of nothing.
sub connect_h2 () {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port('h2')) or die "connect: $!";
    syswrite $socket, PREFACE . frame('settings', 0, 0, pack 'nN', 4, 0);
    return $socket;
}

sub request ($stream, $method, $path, $body = undef, @fields) {
    my $block = fields_block(':method' => $method, ':scheme' => 'http',
        ':path' => $path, ':authority' => 'localhost',
        'x-real-ip' => address_of('DE'), @fields);
    return header_frames($stream, !defined $body, $block)
        . (defined $body ? frame('data', 1, $stream, $body) : '');
}

# Bytes that are there to be read.
sub readable ($socket) {
    my $n = pack 'I', 0;
    ioctl $socket, 0x541b, $n or die "FIONREAD: $!";
    return unpack 'I', $n;
}

# Frames up to one that is looked for.
sub read_until ($socket, $found) {
    my ($in, $select, @frames) = ('', IO::Select->new($socket));

    while ($select->can_read(10)) {
        sysread $socket, $in, 65_536, length $in or last;
        while (my @frame = take_frame(\$in)) {
            push @frames, \@frame;
            return @frames if $found->(@frame);
        }
    }

    return @frames;
}

my @JSON = ('content-type' => 'application/json');
my @REQUESTS = (
    'a problem of a POST' => [403, 'POST', '/consent/accept', '{"token":"x"}',
        @JSON],
    'a malformed one' => [400, 'POST', '/consent/withdraw', '{', @JSON],
    'of another type' => [415, 'POST', '/consent/erase', 'x'],
    'the page again' => [403, 'POST', '/consent/accept', 'token=x',
        'content-type' => 'application/x-www-form-urlencoded'],
    'the state' => [200, 'GET', '/consent/state'],
    'a copy' => [200, 'GET', '/consent/export'],
    'nothing there' => [404, 'GET', '/consent/x'],
    'the gate' => [403, 'GET', '/', undef, accept => 'application/json'],
    'the page' => [200, 'GET', '/policy-update'],
    'the page for testers' => [200, 'GET', '/qa', undef, 'x-tester' => 1],
);

while (my ($name, $request) = splice @REQUESTS, 0, 2) {
    my ($status, @request) = @$request;

    subtest $name => sub {
        my $socket = connect_h2;
        syswrite $socket, request(1, @request);
        my @frames = read_until($socket, sub ($type, @) {
            $type eq 'headers' });
        is status_of($frames[-1][3]), $status, 'is answered';

        syswrite $socket, frame('window', 0, 1, pack 'N', 100_000);
        @frames = read_until($socket, sub ($type, $flags, @) {
            $type eq 'data' && $flags & 1 });
        ok @frames && $frames[-1][0] eq 'data', 'in whole, once it is wanted';

        syswrite $socket, request(3, @request);
        @frames = read_until($socket, sub ($type, $, $stream, @) {
            $type eq 'headers' && $stream == 3 });
        is status_of($frames[-1][3]), $status, 'again';
        close $socket;

        ok wait_for(sub { active == 1 }, 5), 'who leaves then, leaves nothing';
    };
}

# A header that has to wait: what is before it in the queue is not sent yet.
subtest 'a link, behind what is not read' => sub {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port('h2')) or die "connect: $!";
    syswrite $socket, PREFACE . frame('settings', 0, 0, pack 'nN', 4, 2**30)
        . frame('window', 0, 0, pack 'N', 2**30)
        . request(1, 'GET', '/large.css', undef, 'sec-fetch-mode' => 'no-cors',
            'sec-fetch-dest' => 'style');
    ok IO::Select->new($socket)->can_read(10), 'a large file begins';
    ok wait_for(sub {
        my @counts = map { select undef, undef, undef, 0.1; readable($socket) }
            1, 2;
        return $counts[0] && $counts[0] == $counts[1];
    }), 'and comes to a halt';

    my $used = link_token('anna');
    my $browser = $t->browser('DE');
    $browser->get("/consent/link?t=$used");
    is answer($browser)->status, 303, 'a link is used';
    undef $browser;

    # in one segment, or the last of it is not sent before the first has come
    my $stream = 1;
    syswrite $socket, join '', map {
        request($stream += 2, 'GET', "/consent/link?t=$_")
    } 'x', $used, link_token('bert');
    $t->get('/consent/link?t=' . link_token('carl')) for 1 .. 3;
    close $socket;

    ok wait_for(sub { active == 1 }, 5), 'nothing is left';
    is scalar(() = slurp($t->dir . '/nginx.access.log') =~ /consent\/link\S* HTTP\/2/g),
        3, 'of a link that is none, one that is used, and a good one';
};

$t->done;
