use v5.36;

# The rules of conf/redis/consentctl.acl are enough, and none is too much: each
# is taken away in turn, and something then fails.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $OLD = 'ab' x 32;
$t->key_file('subject ' . '0123456789abcdef' x 4, "subject-previous $OLD",
    'sign k1 ' . 'fedcba9876543210' x 4);

my $redis = $t->redis(config => { appendonly => 'yes', appendfsync => 'no' });
my $dir = $t->dir;
my $ctl = ConsentGate::Ctl->new($t, redis => $redis, lines =>
    [ConsentGate::Ctl::login($t), 'database 1', "checkpoints $dir/ledger"]);

my @RULES = ConsentGate::Redis::rules('consentctl');

# What these topologies need, and what it does without: other tests have them.
my %ELSEWHERE = map { $_ => 1 } qw(+role +cluster|slots +asking
    +client|setname resetkeys resetchannels -@all);

sub allow (@rules) {
    my $reply = $redis->cmd(qw(ACL SETUSER consentctl reset on),
        ">$ConsentGate::Redis::USER{consentctl}", @rules);
    is $reply, 'OK', 'the rules are rules' if ref $reply;
    return;
}

# All that consentctl does. Returns the first command that does not work.
sub everything {
    my $cut = time - 1;

    unlink glob "$dir/ledger $dir/e*";
    $redis->cmd(qw(SELECT 1));
    $redis->cmd('FLUSHDB');

    for my $of (key_of(account => 'anna'),
        key_of(account => 'old', key => pack 'H*', $OLD))
    {
        $redis->cmd('HSET', $of->{record}, k => $of->{check}, rev => 1,
            'd.terms' => 1);
    }

    for (
        ['policy publish terms --version 2 --yes'], ['policy list'],
        ['subject show --subject anna'],
        ['subject residence --subject anna --country NO'],
        ['subject residence --subject anna --clear'],
        ['subject residence --subject old --country NO'],
        ['subject export --subject anna'],
        ['pending --scan'], ['pending', \"anna\nold\n"], ['link', \"anna\n"],
        ['stats'], ['checkpoint'], ['verify --subject anna'],
        ["events export --output $dir/e --before " . time],
        ["events trim --yes --proof 1s --manifest $dir/e.manifest"],
        ['subject erase --subject anna --yes'], ['doctor'],
    ) {
        my ($words, @input) = @$_;

        # what was written is in the second before
        wait_for(sub { time > $cut + 4 }) if $words =~ /^events export/;
        $words =~ s/--before \d+/'--before ' . (time - 1)/e;

        my $run = $ctl->run(split(/ /, $words), @input);
        return "$words: " . $run->err . $run->out if $run->code != 0;
    }

    return;
}


allow(@RULES);
is everything(), undef, 'they are enough';
my $key = key_of(account => 'anna')->{events};
is $redis->cmd('XLEN', $key), 2, 'and an event was trimmed';

for my $rule (grep { !$ELSEWHERE{$_} } @RULES) {
    allow(grep { $_ ne $rule } @RULES);
    my $failed = everything();
    ok defined $failed, "without $rule something fails";
    like $failed, $rule =~ /^\+/ && $failed !~ /can't run/
        ? qr/allow this user \Q$rule\E\b|the database: NOPERM/
        : qr/give this user the rules of consentctl\.acl/, 'and what to do';
}

$t->done;
