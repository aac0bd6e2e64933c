use v5.36;

# What each command prints with --json has the members that docs/consentctl.md
# tells of, and no others.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;

my $redis = $t->redis;
my $dir = $t->dir;
my $ctl = ConsentGate::Ctl->new($t, lines => [ConsentGate::Ctl::login($t),
    "checkpoints $dir/ledger"]);

# Rows: the names of commands, and the members at any depth.
my %told;
my ($table) = slurp("$ConsentGate::Test::ROOT/docs/consentctl.md")
    =~ /^\| command \| members \|\n.*?\n(.*)\z/ms;
for my $row (split /\n/, $table) {
    my ($commands, $members) = $row =~ /^\| (.*?) \| (.*) \|$/ or next;
    $members =~ s/\([^()]*\)//g;
    $told{$_} = { map { $_ => 1 } $members =~ /`(\w+)`/g }
        for $commands =~ /`([^`]+)`/g;
}

# What names are members of: their own names are not told.
my %NAMED = map { $_ => 1 } qw(fields documents);
my %seen;

sub look ($command, $value, $named = 0) {
    if (ref $value eq 'ARRAY') {
        look($command, $_) for @$value;
    } elsif (ref $value eq 'HASH') {
        for my $name (keys %$value) {
            $seen{$command}{$name} = 1 if !$named;
            look($command, $value->{$name},
                $NAMED{$name} && ref $value->{$name} eq 'HASH')
                if $command ne 'subject show' || $name ne 'fields';
        }
    }
    return;
}

sub run ($row, $words, @input) {
    my $run = $ctl->json(split(/ /, $words), @input);
    my $json = JSON::PP->new->utf8;

    like $run->code, qr/^[01]$/, $words or diag($run->err);
    look($row, $_) for $json->incr_parse($run->out);
    return;
}

my $of = key_of(account => 'anna');
$redis->cmd('HSET', $of->{record}, k => $of->{check}, rev => 1,
    'd.terms' => 1);
my $text = $t->write_file('terms', 'text');

run('policy publish', "policy publish terms --version 2 --yes --file $text");
run('policy schedule',
    'policy schedule terms --version 3 --yes --effective 2099-01-01');
run('policy publish', 'policy publish more --version 2 --yes --url /x --title x'
    . " --file $text");
$redis->cmd(qw(HSET gc:p broken x));
run('policy list', 'policy list');
$redis->cmd(qw(HDEL gc:p broken));
run('subject show', 'subject show --subject anna');
run('subject residence', 'subject residence --subject anna --country NO');
run('subject residence', 'subject residence --subject anna --clear');
run('pending', 'pending', \"anna\nbert\n");
run('pending --summary', 'pending --summary', \"anna\nbert\n");
run('pending --scan', 'pending --scan');
run('pending --scan --pseudonyms', 'pending --scan --pseudonyms');
run('checkpoint', 'checkpoint');
run('link', 'link', \"anna\n");
run('override', 'override --country DE');
run('stats', 'stats');
run('doctor', 'doctor');

my $cut = time + 1;
wait_for(sub { time > $cut + 2 });
run('events export', "events export --output $dir/e --before $cut");
run('events trim --dry-run',
    "events trim --dry-run --proof 1s --manifest $dir/e.manifest");
run('events trim', "events trim --yes --proof 1s --manifest $dir/e.manifest");

my ($event) = @{ $redis->cmd('XRANGE', $of->{events}, '-', '+') };
$redis->cmd('DEL', $of->{events});
$redis->cmd('XADD', $of->{events}, $event->[0], map { s/"ctl"/"api"/r }
    @{ $event->[1] });
run('verify', 'verify --subject anna');
run('subject erase', 'subject erase --subject anna --yes');

is_deeply [sort keys %seen], [sort keys %told], 'each command';
for my $command (sort keys %told) {
    is_deeply [sort keys %{ $seen{$command} }],
        [sort keys %{ $told{$command} }], "$command: its members";
}

$t->done;
