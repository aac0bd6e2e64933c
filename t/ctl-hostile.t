use v5.36;

# Whatever Redis says, consentctl ends with one of its exit codes, in a line or
# some, none of which a terminal could take for a command; and what somebody
# has put into Redis is told as it is.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Resp;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;

my $dir = $t->dir;
my $ESC = "\e[2J\x07\x{9b}31m\xc2\x9b\nok";
my $name = key_of(account => 'anna')->{name};
my $mac  = 'f' x 64;
my $link = 'f' x 40;

sub oops ($text) { return ConsentGate::Resp::Error->new($text) }

my @COMMANDS = (
    ['policy list'], ['policy publish terms --version 9 --yes'],
    ['subject show --subject anna'], ['subject export --subject anna'],
    ["subject export --pseudonym $name"], ['subject erase --subject anna --yes'],
    ['subject residence --subject anna --country NO'],
    ['pending', \"anna\n"], ['pending --scan --pseudonyms'],
    ['link', \"anna\n"], ['stats'], ['verify --bucket 0a3'],
    ['verify --subject anna'], ['doctor'],
    ["events export --all --output $dir/export"],
    ["checkpoint --checkpoints $dir/ledger"],
);

# Nothing but lines that can be printed.
sub harmless ($run, $what) {
    my $code = $run->code;
    my $text = $run->out . $run->err;

    subtest $what => sub {
        like $code, qr/^[0-7]$/, 'an exit code';
        isnt $code, 7, 'which is not that of a failure in here';
        unlike $text, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/,
            'no byte that commands' if $text !~ /^\{"format"/;
        ok $code < 2 || $run->err =~ /^consentctl: .*$/m, 'says why';
    };

    return;
}

sub try_all ($what, $server, @more) {
    for my $command (@COMMANDS) {
        my ($words, @input) = @$command;
        my $ctl = ConsentGate::Ctl->new($t, redis => $server,
            config => 'hostile.conf', lines => [@more]);

        harmless($ctl->run('--timeout', '1s', split(/ /, $words), @input),
            "$what: $words");
        unlink "$dir/export", "$dir/export.manifest", "$dir/ledger";
    }
    return;
}


subtest 'replies of any kind' => sub {
    my @replies = (
        undef, \'OK', \-1, 'text', $ESC, [], [undef, undef], [\1, \2],
        [[], []], ['a'], ['0', [\1]], [$ESC, $ESC],
        [['1-1', [undef, undef]]], [['1-1', \1]],
        [['2-1', ['b', '{}', 'm', $mac, 'l', $link]],
            ['1-1', ['b', '{}', 'm', $mac, 'l', $link]]],
        [['1-1', ['b', $ESC, 'm', $mac, 'l', $link]]],
        oops('ERR ' . $ESC), oops('WRONGTYPE no'), oops('MOVED 1 :0'),
        oops('ASK 1 ' . $ESC . ':1'),
        { raw => "*2\r\n\$1\r\n" . "0\r\n*1", close => 1 },
        { raw => "\x00\xff\r\n" }, { raw => "\$-7\r\n" },
        { raw => '*1' . "\r\n*1" x 40 . "\r\n" },
    );

    for my $i (0 .. $#replies) {
        my $fake = $t->fake('*' => $replies[$i], ROLE => $replies[$i]);
        try_all("number $i", $fake->address);
        $fake->stop;
    }
};


subtest 'a cluster' => sub {
    my @slots = (
        [], [[\0, \16383]], [[\0, \16382, ['127.0.0.1', \1]]],
        [[\5, \1, ['127.0.0.1', \1]]], [[\-1, \16383, ['127.0.0.1', \1]]],
        [[\0, \16384, ['127.0.0.1', \1]]], [[\0, \16383, [$ESC, \1]]],
        [[\0, \16383, ['127.0.0.1', \70_000]]], [[\0, \16383, [undef, \0]]],
        [[\0, \16383, [\1, \1]]], [[\0, \16383, ['', \1]]],
    );

    for my $i (0 .. $#slots) {
        my $fake = $t->fake(CLUSTER => $slots[$i], HGETALL => []);
        my $ctl = ConsentGate::Ctl->new($t, redis => $fake->address,
            config => 'cluster.conf', lines => ['topology cluster']);
        my $run = $ctl->run(qw(policy list));
        is $run->code, 4, "map $i: exit code";
        harmless($run, "map $i");
        $fake->stop;
    }

    # who does not know its own address is where it was asked
    my $fake = $t->fake(HGETALL => []);
    my ($slots) = [[\0, \8000, [undef, \$fake->port]],
        [\8001, \16383, ['', \$fake->port]]];
    my $seed = $t->fake(CLUSTER => $slots, HGETALL => oops('MOVED 1 :'
        . $fake->port));
    my $ctl = ConsentGate::Ctl->new($t, redis => $seed->address,
        config => 'empty.conf', lines => ['topology cluster']);
    is $ctl->run(qw(policy list))->code, 5, 'an empty address';
    ok scalar($fake->seen('HGETALL')), 'is that of who says so, at its port';

    # round and round
    my $lost = $t->fake(HGETALL => sub (@) { oops('MOVED 1 :' . $seed->port) });
    $seed->stop;
    my $round = $t->fake(CLUSTER => [[\0, \16383, ['', \$lost->port]]],
        HGETALL => oops('MOVED 1 :' . $lost->port));
    my $run = ConsentGate::Ctl->new($t, redis => $round->address,
        config => 'round.conf', lines => ['topology cluster'])
        ->run(qw(policy list));
    is $run->code, 4, 'sent in circles';
    harmless($run, 'which ends');
};


subtest 'an endless reply' => sub {
    my $fake = $t->fake(HGETALL => { raw => "\$2000000000\r\n"
        . 'x' x 70_000_000 });
    my $run = ConsentGate::Ctl->new($t, redis => $fake->address,
        config => 'endless.conf', lines => [])->run(qw(policy list));
    is $run->code, 4, 'exit code';
    like $run->err, qr/its reply is too large$/, 'and why';
};


subtest 'what somebody has put into Redis' => sub {
    my $redis = $t->redis;
    my $ctl = ConsentGate::Ctl->new($t, lines => ["checkpoints $dir/none"]);
    my $of = key_of(account => 'anna');

    $redis->cmd('HSET', 'gc:p', terms => 'version=1', $ESC => $ESC,
        "\xff\xfe" => "\0");
    $redis->cmd('HSET', $of->{record}, k => $of->{check}, rev => 1,
        'd.terms' => $ESC, $ESC => $ESC, "\xff" => "\0\xff", 'a' => 'x' x 50);
    $redis->cmd('HSET', "gc:s:{000}$ESC", k => '1');
    $redis->cmd('XADD', $of->{events}, '*', $ESC, $ESC);

    for my $words ('policy list', 'subject show --subject anna',
        'pending --scan --pseudonyms', 'verify', 'stats',
        'subject export --subject anna')
    {
        harmless($ctl->run(split / /, $words), $words);
        my $run = $ctl->json(split / /, $words);
        like $run->code, qr/^[016]$/, "$words: JSON";
        ok $words =~ /pseudonyms/ || $run->code == 6 || eval { $run->data },
            'which can be read' or diag $run->out;
    }

    my $fields = $ctl->json(qw(subject show --subject anna))->data->{fields};
    is keys %$fields, 6, 'each field is shown';
};

$t->done;
