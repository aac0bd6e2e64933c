use v5.36;

# Whatever comes from where Redis should be: each request has an answer in
# time, the log has a line that says what it was, and the next ones are served.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Resp qw(resp_encode);
use ConsentGate::Test;

# Seconds. A fault that can be seen is told long before the time is up; only
# silence takes it all. The machine may be busy.
use constant { LONG => 5, SHORT => 0.2, SLACK => 1.5 };

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');

my $KEY  = key_of(account => 'anna');
my @GOOD = ($KEY->{check}, 1, (undef) x 4, 1, 1, 1);
my $GOOD = resp_encode(\@GOOD);

sub error ($text) { return ConsentGate::Resp::Error->new($text) }

# First these, then what is right.
sub first (@actions) {
    my $right = pop @actions;
    return ConsentGate::Fake::turns(@actions, $right);
}

# An nginx before a fake Redis. time: lookup, write, which are timeouts;
# replicas: "write_replicas".
sub site ($name, $time, %script) {
    my %time = (lookup => LONG, write => LONG, %$time);
    my $fake = $t->fake(HMGET => \@GOOD, HGETALL => [], %script);
    my $consent = ConsentGate::Test::consent_block()
        =~ s/%%REDIS%%/$fake->address/er
        =~ s/^(\s+write_timeout\s+)2s/$1 . 1000 * $time{write} . 'ms'/mer
        =~ s/^(\s+(?:connect_)?timeout\s+)2s/
            $1 . 1000 * $time{lookup} . 'ms'/mgexr
        =~ s/(?=\bconnect_timeout)/
            $time{replicas} ? "write_replicas $time{replicas};" : ''/exr;

    local $t->{ports}{''} = $t->port($name);
    my $nginx = $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r);

    return ($nginx, $fake, $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => 'anna']));
}

sub told ($r) {
    return $r->header('Consent-Gate')
        =~ /^(\w+); reason=(\w+);.* record=(\w+)/ ? "$2 $3" : 'nothing';
}

sub complaints ($nginx) {
    return grep { /\[(?:warn|error)\].* consent (?:store|gate)/ } split /\n/,
        slurp($nginx->{log});
}

my $FOUND  = 'accepted found';
my $FAILED = 'store_down failed';

# What the first request is told, what the log says (undef: nothing, '': maybe
# something), and the script.
my %FAULT = (
    'a reply in time, though late' =>
        [$FOUND, undef, HMGET => { reply => \@GOOD, delay => 0.05 }],
    'a reply after the deadline' => [$FAILED, qr/no reply in time/,
        HMGET => first({ reply => \@GOOD, delay => 0.4 }, \@GOOD)],
    'no reply' => [$FAILED, qr/no reply in time/, HMGET => first({}, \@GOOD)],
    'half a reply and silence' => [$FAILED, qr/no reply in time/,
        HMGET => first({ raw => substr $GOOD, 0, 20 }, \@GOOD)],

    (map {
        my ($name, $reply) = @$_;
        $name => [$FAILED, qr/does not fit the command|unexpected reply/,
            HMGET => first($reply, \@GOOD)]
    } ['a status', \'OK'], ['a number', \5], ['a string', 'x'], ['nil', undef],
        ['an empty list', []], ['a list too short', [@GOOD[0 .. 7]]],
        ['a list too long', [@GOOD, undef]], ['lists in it', [([]) x 9]],
        ['numbers in it', [(\1) x 9]]),

    'nil for a list' => [$FAILED, qr/consent store/,
        HMGET => first({ raw => "*-1\r\n" }, \@GOOD)],
    'an error' => [$FAILED, qr/refused: "ERR no such thing"/,
        HMGET => first(error('ERR no such thing'), \@GOOD)],
    'a slot of another node' => [$FAILED,
        qr/refused: "MOVED 7 .*": set "topology cluster"/,
        HMGET => first(error('MOVED 7 127.0.0.1:7001'), \@GOOD)],
    'a permission that is not there' => [$FAILED,
        qr/refused: "NOPERM .*": grant it: ACL SETUSER gate \+hmget/,
        HMGET => first(error('NOPERM this user has no permissions to run the '
            . "'hmget' command or its subcommand"), \@GOOD)],
    'the record of somebody else' => [$FAILED, qr/another subject's/,
        HMGET => first(['00000000', @GOOD[1 .. 8]], \@GOOD)],
    'a reply too many' => [$FOUND, qr/nobody has asked for/,
        HMGET => first({ raw => $GOOD x 2 }, \@GOOD)],
    'a reply before any question' => [undef, qr/consent store/,
        '(open)' => first({ raw => $GOOD }, {})],

    (map {
        my ($name, $raw) = @$_;
        $name => [$FAILED, qr/consent store .*: \w/,
            HMGET => first({ raw => $raw }, \@GOOD)]
    } ['a huge string', "*9\r\n\$999999999\r\n"],
        ['a string beyond all numbers', "*9\r\n\$99999999999999999999\r\n"],
        ['a string that is large', "*9\r\n\$3000000\r\n" . 'x' x 3_000_000],
        ['a huge list', "*999999999\r\n"],
        ['a negative list', "*-5\r\n"], ['a negative string', "\$-7\r\n"],
        ['deep nesting', "*1\r\n" x 30],
        ['letters for a length', "*9\r\n\$abc\r\n"],
        ['no length', "*\r\n"], ['no number', ":\r\n"],
        ['another protocol', "HTTP/1.1 400 Bad Request\r\n\r\n"],
        ['zeros', "\0" x 40], ['a line without end', '+' . 'x' x 200_000],
        ['a push of RESP3', ">2\r\n+invalidate\r\n*0\r\n"]),

    (map {
        my $n = $_;
        "a reply cut off after $n bytes" =>
            [$FAILED, qr/connection closed|reset by peer/,
                HMGET => first({ raw => substr($GOOD, 0, $n), close => 1 },
                    \@GOOD)]
    } 0, 1, 3, 10, length($GOOD) - 1),
    'a whole reply and the end' => [$FOUND, '',
        HMGET => first({ reply => \@GOOD, close => 1 }, \@GOOD)],

    # the handshake: whoever asks then waits for it, or is told at once
    (map {
        my $stage = $_;
        my %right = (CLIENT => \'OK', PING => \'PONG', '(open)' => {},
            ROLE => ['master', \0, []]);

        "the end at $stage" => [undef, qr/closed|reset by peer/,
            $stage => first({ close => 1 }, $right{$stage})],
        "half an answer and the end at $stage" => [undef,
            qr/closed|reset by peer|protocol|unexpected/i,
            $stage => first({ raw => "*3\r\n\$6\r\nmas", close => 1 },
                $right{$stage})],
        "no answer to $stage" => $stage ne '(open)'
            && [$FAILED, qr/no answer to the handshake|unexpected reply/,
                $stage => first({}, $right{$stage})],
        "nonsense at $stage" => [undef, qr/consent store .*: \w/,
            $stage => first({ raw => "nonsense\r\n" }, $right{$stage})],
    } '(open)', qw(CLIENT ROLE PING)),
    'a role that is none' => [undef, qr/unexpected reply to ROLE/,
        ROLE => first([], ['master', \0, []])],
    'no more clients' => [undef, qr/max number of clients/,
        '(open)' => first({ raw => "-ERR max number of clients reached\r\n",
            close => 1 }, {})],
);

# Those that only the deadline ends.
my $SILENT = join '|', 'a reply after the deadline', 'no reply',
    'half a reply and silence', 'no answer to .*', 'a huge string';

my $n = 0;

for my $name (sort grep { ref $FAULT{$_} } keys %FAULT) {
    my ($first, $line, %script) = @{ $FAULT{$name} };

    subtest $name => sub {
        my $silent = $name =~ /^(?:$SILENT)$/;
        my ($nginx, $fake, $http) = site('fault' . ++$n,
            { lookup => $silent ? SHORT : LONG }, %script);

        my $began = time;
        my $told = told($http->get('/'));
        cmp_ok time - $began, '<', ($silent ? SHORT : 0) + SLACK,
            'an answer in time';

        defined $first ? is($told, $first, "which is $first")
            : like($told, qr/^(?:$FOUND|$FAILED)$/, 'which is one of two');

        my $served = 0;
        ok wait_for(sub {
            $served = told($http->get('/')) eq $FOUND ? $served + 1 : 0;
            $served == 4;
        }), 'the next ones are served, for good';

        my @lines = complaints($nginx);
        if ($line) {
            ok wait_for(sub { grep { /$line/ } @lines = complaints($nginx) }),
                'the log says what it was'
                or diag slurp($nginx->{log});
        } elsif (!defined $line) {
            is_deeply \@lines, [], 'nothing for the log';
        }
        cmp_ok scalar @lines, '<=', 3, 'in few lines' or diag @lines;

        $nginx->stop;
        $fake->stop;
    };
}


subtest 'split at every byte' => sub {
    for my $piece (1, 2, 3, 7) {
        my ($nginx, $fake, $http) = site("split$piece", {},
            HMGET => { reply => \@GOOD, split => $piece },
            map { $_ => { reply => $_ eq 'ROLE' ? ['master', \0, []] : \'OK',
                split => $piece } } qw(CLIENT ROLE PING));

        is told($http->get('/')), $FOUND, "pieces of $piece";
        is_deeply [complaints($nginx)], [], 'no complaint';
        $nginx->stop;
        $fake->stop;
    }
};


subtest 'a late reply is nobody else\'s' => sub {
    my $other = key_of(account => 'bert');
    my ($nginx, $fake, $http) = site('late', { lookup => SHORT },
        HMGET => sub (@command) {
        return { reply => \@GOOD, delay => 0.35 }
            if $command[1] eq $KEY->{record};
        return [$other->{check}, 1, (undef) x 4, '-', 1, 1];
    });
    my $bert = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => 'bert']);

    is told($http->get('/')), $FAILED, 'the one whose reply is late';
    $http->send_raw($http->format_request('GET', '/'));
    my $told = told($bert->get('/'));
    like $told, qr/^(?:declined found|$FAILED)$/, 'the next has their own';
    ok wait_for(sub { told($bert->get('/')) eq 'declined found' }),
        'and will have it';
    unlike slurp($nginx->{log}), qr/another subject/, 'nothing is mixed up';
    $nginx->stop;
    $fake->stop;
};


# name, status of the answer, script of EVALSHA and EVAL
my @WRITES = (
    ['written', 200, EVALSHA => ['written', \1]],
    ['a script that is not known', 200, EVALSHA => error('NOSCRIPT none'),
        EVAL => ['written', \1]],
    ['a script that stays unknown', 503, EVALSHA => error('NOSCRIPT none'),
        EVAL => error('NOSCRIPT none')],
    ['conflict', 409, EVALSHA => ['conflict', \7]],
    ['the record of somebody else', 500, EVALSHA => ['foreign', \0]],
    ['no reply', 503, EVALSHA => {}],
    ['a late one', 503, EVALSHA => { reply => ['written', \1], delay => 0.4 }],
    ['the end', 503, EVALSHA => { close => 1 }],
    ['the end in the middle', 503, EVALSHA => { raw => "*2\r\n\$7\r\nwri",
        close => 1 }],
    ['an error', 503, EVALSHA => error('ERR Error running script')],
    ['a read-only server', 503, EVALSHA => error('READONLY replica')],
    ['a word that is not known', 503, EVALSHA => ['maybe', \1]],
    ['half of it', 503, EVALSHA => ['written']],
    ['too much', 503, EVALSHA => ['written', \1, \1]],
    ['strings', 503, EVALSHA => ['written', 'one']],
    ['a status', 503, EVALSHA => \'OK'],
    ['nil', 503, EVALSHA => undef],
    ['lists', 503, EVALSHA => [[], []]],
);

# The same for what WAIT is answered with.
my @WAITS = (
    ['a replica', 200, WAIT => \1],
    ['more replicas', 200, WAIT => \7],
    ['no replica', 503, WAIT => \0],
    ['fewer than none', 503, WAIT => \-1],
    ['no reply from replicas', 503, WAIT => {}],
    ['a late replica', 503, WAIT => { reply => \1, delay => 0.4 }],
    ['a string for a number', 503, WAIT => 'one'],
    ['a list', 503, WAIT => [\1]],
    ['nil for a number', 503, WAIT => undef],
    ['a permission', 503, WAIT => error('NOPERM this user has no permissions '
        . "to run the 'wait' command")],
    ['a replica itself', 503, WAIT => error('UNBLOCKED force unblock from '
        . 'blocking operation, instance state changed')],
    ['the end while it waits', 503, WAIT => { close => 1 }],
    ['two replies', 503, WAIT => { raw => ":0\r\n:1\r\n" }],
    ['nothing written', 409, EVALSHA => ['conflict', \7]],
    ['the same again', 200, EVALSHA => ['repeated', \1], WAIT => \1],
    ['the same again, no replica', 503, EVALSHA => ['repeated', \1],
        WAIT => \0],
    ['no change, no replica', 503, EVALSHA => ['unchanged', \1],
        WAIT => \0],
);

for my $case ((map { [0, @$_] } @WRITES), map { [1, @$_] } @WAITS) {
    my ($replicas, $name, $status, %script) = @$case;

    $script{EVALSHA} //= ['written', \1] if $replicas;

    subtest "an answer: $name" => sub {
        my $silent = $name =~ /^(?:no reply|a late )/;
        my ($nginx, $fake, $http) = site('write' . ++$n,
            { write => $silent ? SHORT : LONG, replicas => $replicas }, %script,
            HMGET => [(undef) x 9]);

        my $state = $http->get('/consent/state')->json;
        my $began = time;
        my $r = answer_as_script($http, state => $state);
        cmp_ok time - $began, '<', ($silent ? SHORT : 0) + SLACK,
            'is taken or not, in time';
        is $r->status, $status, "with $status";
        cmp_ok scalar($fake->seen('EVAL')), '<=', 1, 'the script is sent once';
        is $r->header('Retry-After'), 5, 'to be sent again' if $status == 503;
        ok wait_for(sub { told($http->get('/')) eq 'missing absent' }),
            'the next ones are served';

        my @lines = complaints($nginx);
        cmp_ok scalar @lines, '<=', 4, 'few lines in the log';
        cmp_ok scalar @lines, '>', 0, 'yet not none' if $status == 503;
        $nginx->stop;
        $fake->stop;
    };
}

# Its first location asks for the policies only, and the one behind it for the
# record: that they have been asked for is no answer to that.
subtest 'a record that is needed later' => sub {
    my %record = (k => $KEY->{check}, rev => 1,
        map { $_ => 1 } qw(d.terms d.privacy d.cookies p.analytics));
    my $fake = $t->fake(
        HGETALL => { reply => [], delay => 0.5 },
        HMGET   => sub ($name, $key, @fields) { [@record{@fields}] },
    );
    my $consent = ConsentGate::Test::consent_block()
        =~ s/%%REDIS%%/$fake->address/er;

    local $t->{ports}{''} = $t->port('later');
    $t->page('later/index.html', 'found');
    $t->nginx(flow_site(
        http   => 'consent_purpose analytics;',
        server => 'consent_subject $http_x_test_account;
            location = /later/index.html {
                consent_require_purpose analytics;
            }',
    ) =~ s/%%CONSENT%%/$consent/r);

    my $r = $t->http(port => $t->port('later'))->get('/later/',
        'X-Real-IP' => address_of('DE'), 'X-Test-Account' => 'anna',
        'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'image');
    is $r->status, 200, 'who has granted the purpose passes';
    is scalar($fake->seen('HMGET')), 1, 'by the record';
};

$t->done;
