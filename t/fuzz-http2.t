use v5.36;

# The same of HTTP/2 as fuzz-http.t of HTTP/1.1: many requests on a connection,
# some of them spoiled, reset while they wait for the store, or left without
# their end. Each that is not gets an answer, and the worker goes on.
# CG_SEED=N repeats a run, CG_FUZZ=N sends more.

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Http2 qw(PREFACE fields_block frame header_frames status_of
    take_frame);
use ConsentGate::Link;
use ConsentGate::Override qw(override_token);
use ConsentGate::Test;

use constant {
    REQUESTS => $ENV{CG_FUZZ} // 3000,
    STREAMS  => 30,             # of a connection
    PATIENCE => 20,             # seconds for its answers
};

my $seed = $ENV{CG_SEED} // int rand 2**31;
srand $seed;
note "CG_SEED=$seed";

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->page('age.html', flow_page);

my $nginx = $t->nginx(flow_site(
    http => <<'END',
        consent_purpose analytics;
        consent_cache zone=fuzz:1m;
        client_body_timeout 300ms;
        client_body_buffer_size 1k;
        http2_recv_timeout 2s;
        large_client_header_buffers 4 16k;
END
    server => <<'END',
        listen 127.0.0.1:%%PORT_h2%% http2;
        consent_subject $http_x_test_account;
        consent_override allow=$http_x_tester signed;
        consent_ask_age on;
        consent_age_page /age.html;
        location = /qa { consent_qa; }
        location = /age.html { ssi on; }
        location = /closed {
            consent_on_error closed;
            try_files /index.html =404;
        }
        location = /purpose {
            consent_require_purpose analytics;
            try_files /index.html =404;
        }
        error_page 404 /missing;
END
));
my ($worker) = @{ wait_for(sub { my @w = $nginx->children; @w && \@w }) };


# What a client says that is right.

# Who has answered, and who is about to: headers and a token for a form.
my $browser = $t->browser('DE');
answer($browser, age => 'yes', purpose => 'analytics');
my $cookies = $browser->jar->header('/');
my @newcomers = map {
    my $new = $t->browser('DE');
    my $token = show($new)->{form_token};
    { cookie => $new->jar->header('/'), token => $token }
} 1 .. 60;
my $anna = $t->browser('DE', headers => ['X-Test-Account' => 'anna']);
my $override = override_token(country => 'FR', record => 'minor');
my $FORM = 'application/x-www-form-urlencoded';

# Requests before they are spoiled: method, path, fields, body.
sub valid () {
    my @document = (accept => 'text/html', 'sec-fetch-mode' => 'navigate',
        'sec-fetch-dest' => 'document');
    my @who = @{ pick([cookie => $cookies], ['x-test-account' => 'anna'],
        [cookie => 'consent-subject=' . link_token('anna')],
        [cookie => "$cookies; consent-override=$override"], [], []) };
    my $new = pick(@newcomers);
    my $form = "token=$new->{token}&return=%2Fx&document=terms"
        . '&document=privacy&document=cookies&purpose=analytics';
    my $json = qq({"token":"$new->{token}","age":"yes","documents":)
        . '["terms","privacy","cookies"]}';

    return pick(
        ['GET', pick('/', '/closed', '/purpose', '/x.js', '/age.html'),
            [@document, @who]],
        ['GET', '/policy-update?return=%2Fx&need=terms', [@document, @who]],
        ['GET', pick(map { "/consent/$_" } qw(state export x)), [@who]],
        ['GET', '/consent/link?t=' . link_token(pick(qw(anna bert))), [@who]],
        ['GET', "/?consent_override=$override", [@document, @who]],
        ['GET', '/qa?preview=1&country=DE', [@document, 'x-tester' => 1]],
        ['HEAD', '/', [@document, @who]],
        ['POST', '/', [@document, 'sec-fetch-site' => 'cross-site'], 'a=b'],
        ['OPTIONS', '/consent/accept', []],
        ['POST', '/consent/' . pick(qw(accept decline withdraw purposes
            residence age erase)), ['content-type' => $FORM,
            cookie => $new->{cookie}],
            $form . pick('&age=yes', '&age=yes', '&age=no', '&residence=DE')],
        ['POST', '/consent/accept', ['content-type' => 'application/json',
            cookie => $new->{cookie}], $json],
    );
}


# What is put in the place of a value. HTTP/2 could send any byte.

my @ODD = ('', ' ', '/', '//', '//evil', '/%2f', '%', '*', '#', '?', "\0",
    "\r\nx: y", "\x7f", "\xff" x 40, 'A' x 9000, '-1', '1' x 40, ',' x 300,
    ';' x 300, 'consent=' . 'A' x 32, $cookies x 5, 'null', 'https://x:99999',
    'websocket', 'navigate', 'terms,' x 90, $newcomers[0]{token}, 'trailers');
my @NAMES = (qw(cookie cookie cookie accept accept-language origin host te
    sec-fetch-mode sec-fetch-dest sec-fetch-site sec-gpc x-requested-with
    upgrade connection content-type content-length expect x-tester
    x-consent-country x-consent-time x-test-account user-agent range
    transfer-encoding Cookie :path :status :authority), ':');

sub pick (@list) { return $list[rand @list] }

sub spoil ($text) {
    for (1 .. 1 + rand 3) {
        substr $text, int rand(1 + length $text), int rand 3,
            pick('', @ODD, chr rand 256);
    }
    return $text;
}


# One request, and whether it must have an answer.
sub request ($stream) {
    my ($method, $path, $headers, $body) = @{ valid() };
    my @fields = (':method' => $method, ':scheme' => 'http', ':path' => $path,
        ':authority' => 'localhost', @$headers);
    my $sound = 1;

    for (1 .. rand 4) {
        $sound = 0;
        my $kind = int rand 5;
        push @fields, pick(@NAMES) => pick(@ODD) if $kind == 0;
        $fields[1 + 2 * int rand @fields / 2] = pick(@ODD) if $kind == 1;
        my $i = 1 + 2 * int rand @fields / 2;
        $fields[$i] = spoil($fields[$i]) if $kind == 2;
        $body = spoil($body // '') if $kind == 3;
        push @fields, map { pick(@NAMES) => pick(@ODD) } 1 .. rand 30
            if $kind == 4;
    }

    # set by a proxy, and never empty: nginx 1.22 reads a byte before that
    my $block = fields_block(@fields,
        'x-real-ip' => address_of(pick(qw(DE DE IS US))));
    if (rand() < 0.01) { $block = spoil($block); $sound = 0 }

    my $bytes = header_frames($stream, !defined $body, $block,
        pick(16_000, 16_000, 37));

    if (defined $body) {
        my @parts = unpack pick('(a16000)*', '(a7)*'), $body;
        $bytes .= frame('data', 0, $stream, $_) for @parts;
        $bytes .= frame('data', 1, $stream, '');
    }

    # who leaves, perhaps while the store is asked; or never says the end
    if (rand() < 0.2) {
        $bytes .= frame('reset', 0, $stream, pack 'N', 8);
        $sound = 0;

    } elsif (rand() < 0.01) {
        $bytes = substr $bytes, 0, int rand length $bytes;
        return ($bytes, 0, 1);

    } elsif (rand() < 0.01) {
        $bytes .= frame(pick(qw(ping settings window goaway data headers),
            int rand 256), pick(0, 1, 4, 8, 255), pick(0, $stream, 2, 1),
            pick('', 'x' x 8, pack('N', rand 2**31), @ODD));
        $sound = 0;
    }

    return ($bytes, $sound, 0);
}


# A connection of its own for a number of requests. Returns the statuses, and
# what is wrong.

sub talk ($count) {
    my (%sound, %status, %ended);
    my $out = PREFACE . frame('settings', 0, 0, pack 'nN', 4, 2**20)
        . frame('window', 0, 0, pack 'N', 2**30);
    my ($all_sound, $stream) = (1, -1);

    for (1 .. $count) {
        $stream += 2;
        my ($bytes, $sound, $cut) = request($stream);
        $out .= $bytes;
        $sound{$stream} = 1 if $sound;
        $all_sound = 0 if !$sound;
        last if $cut;
    }

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port('h2')) or return (['none'], 'connect');
    $socket->blocking(0);
    my $select = IO::Select->new($socket);
    my ($in, $until, $closed) = ('', time + PATIENCE);

    while (time < $until && !$closed) {
        my ($read, $write) = IO::Select->select($select,
            $out ne '' ? $select : undef, undef, 1);

        if (@{ $write // [] }) {
            my $n = syswrite $socket, $out, 1 + int rand 40_000;
            substr $out, 0, $n // length $out, '';
        }
        if (@{ $read // [] }) {
            my $n = sysread $socket, $in, 65_536, length $in;
            $closed = 1 if !$n && !$!{EAGAIN};
        }

        while (my ($type, $flags, $id, $payload) = take_frame(\$in)) {
            $status{$id} = status_of($payload) if $type eq 'headers';
            $ended{$id} = 1 if $type eq 'reset'
                || ($type =~ /^(?:data|headers)$/ && $flags & 1);
            $closed = 1 if $type eq 'goaway';
        }

        last if $out eq '' && !grep { !$ended{$_} } keys %sound;
    }

    my @wrong = map { "stream $_: $status{$_}" }
        grep { $status{$_} !~ /^(?:[1-4]\d\d|503|501|505)$/ } keys %status;
    push @wrong, 'no answer in time' if time >= $until && $all_sound;

    return ([values %status], @wrong);
}

sub fuzz ($count, $name, @expected) {
    my (%status, @wrong);

    local $SIG{PIPE} = 'IGNORE';
    while ($count > 0) {
        my $n = 1 + int rand STREAMS;
        my ($statuses, @bad) = talk($n);
        $status{$_}++ for @$statuses;
        push @wrong, @bad;
        $count -= $n;
    }

    is_deeply [@wrong[0 .. ($#wrong < 9 ? $#wrong : 9)]], [],
        "$name: each answer is one" or diag "CG_SEED=$seed";
    note join ' ', $name, map { "$_:$status{$_}" } sort keys %status;
    ok $status{$_}, "$name: some are $_" for @expected;
    is_deeply [$nginx->children], [$worker], "$name: it is the same worker";
    return;
}

fuzz(REQUESTS * 0.7, 'with the store', 200, 302, 303, 403);

$t->redis->stop;
fuzz(REQUESTS * 0.3, 'without it', 200, 503);

$t->redis->start;
ok wait_for(sub { $anna->get('/consent/state')->status == 200 }, 15),
    'and on when it is back';

$t->done;
