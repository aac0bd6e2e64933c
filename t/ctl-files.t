use v5.36;

# What consentctl writes is there as a whole or not at all: when the disk is
# full, Redis goes away, or nobody reads what it says; and what it reads may be
# anything.

use lib 't/lib';
use POSIX ();
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;

my $redis  = $t->redis;
my $dir    = $t->dir;
my $ledger = "$dir/checkpoints";
my $ctl    = ConsentGate::Ctl->new($t, lines => ["checkpoints $ledger",
    ConsentGate::Ctl::login($t)]);

# An event, by consentctl.
sub residence ($name, $country) {
    my $run = $ctl->run(qw(subject residence --subject), $name, '--country',
        $country);
    is $run->code, 0, "$name lives in $country" or diag($run->err);
    return;
}

sub record ($name) {
    my $of = key_of(account => $name);
    $redis->cmd('HSET', $of->{record}, k => $of->{check}, rev => 1,
        'd.terms' => 1);
    return;
}

# What is in the directory that begins like this.
sub left ($name) { return map { s{.*/}{}r } glob "$dir/$name*" }

record($_) for qw(anna bert cleo);
for my $n (1 .. 20) {
    residence('anna', $n % 2 ? 'NO' : 'SE');
}
residence('bert', 'FR');


subtest 'a disk that is full' => sub {
    my $small = $ctl->shell('ulimit -f 4; exec "$0" "$@"');

    my $run = $small->run(qw(events export --all --output), "$dir/full");
    is $run->code, 3, 'while events are exported';
    like $run->err,
        qr/^consentctl: cannot write to "[^"]+full": File too large\n\z/m,
        'is told';
    is_deeply [left('full')], [], 'nothing is left of it';

    is $ctl->run('checkpoint')->code, 0, 'checkpoints';
    residence('bert', 'ES');
    residence('cleo', 'ES');
    my $before = slurp($ledger);

    # room for the first line and half of the next
    my $blocks = int((length($before) + 600) / 512);
    $t->write_file($ledger, $before);
    $run = $ctl->shell("ulimit -f $blocks; exec \"\$0\" \"\$@\"")
        ->run(qw(checkpoint --all));
    is $run->code, 3, 'while checkpoints are written';
    like $run->err, qr/^consentctl: cannot write to "[^"]+checkpoints": File too large\n\z/m,
        'is told';
    is slurp($ledger), $before, 'the file is as it was';
    is $ctl->run('checkpoint')->code, 0, 'and goes on';
    is $ctl->run('verify')->code, 0, 'all is good';
};


subtest 'an export' => sub {
    my $file = "$dir/kept";
    $t->write_file($file, 'mine');
    my $run = $ctl->run(qw(events export --all --output), $file);
    is $run->code, 3, 'over a file';
    like $run->err, qr/"[^"]+kept" exists/, 'is refused';
    is slurp($file), 'mine', 'which stays';
    is_deeply [left('kept')], ['kept'], 'alone';

    unlink $file;
    $t->write_file("$file.manifest", 'mine');
    is $ctl->run(qw(events export --all --output), $file)->code, 3,
        'over a manifest';
    is_deeply [left('kept')], ['kept.manifest'], 'which stays alone';
    unlink "$file.manifest";

    symlink '/nonexistent/x', $file;
    is $ctl->run(qw(events export --all --output), $file)->code, 3,
        'through a link that leads nowhere';
    unlink $file;

    is $ctl->run(qw(events export --all --output), "$dir/none/x")->code, 3,
        'to a directory that is not there';
    is $ctl->run(qw(events export --all --output), "$dir/\xff")->code, 2,
        'of a name that no manifest can tell';
    is $ctl->run(qw(events export --all --output), '')->code, 2, 'of no name';

    $run = $ctl->json(qw(events export --all --output), $file);
    is $run->code, 0, 'works';
    is_deeply [left('kept')], ['kept', 'kept.manifest'], 'two files';
    is((stat "$file.manifest")[2] & 0777, 0600, 'for their owner');
};


subtest 'Redis goes away' => sub {
    my $n = 0;
    my $fake = $t->fake(XRANGE => sub (@) {
        return $n++ < 100 ? [] : { close => 1 };
    });
    my @away = ('--server', $fake->address);

    for my $command ('verify', 'checkpoint',
        "events export --all --output $dir/gone")
    {
        my $before = slurp($ledger);
        my $run = $ctl->run(split(/ /, $command), @away, '--checkpoints',
            "$dir/other");
        is $run->code, 4, "$command: exit code";
        like $run->err,
            qr/^consentctl: Redis at \S+: it closed the connection\n\z/m,
            'one line says so';
        is $run->out, '', 'and nothing else';
        is_deeply [left('gone')], [], 'nothing is left of it';
        is slurp("$dir/other"), '', 'nothing is signed' if -e "$dir/other";
        is slurp($ledger), $before, 'or changed';
        unlink "$dir/other";
    }
    $fake->stop;

    # a page of a list, and then no more
    my $list = $t->fake(HGETALL => ['terms', 'version=1'], HMGET => sub (@) {
        return ++$n > 700 ? { close => 1 } : [(undef) x 7];
    });
    $n = 0;
    my $run = $ctl->run('pending', '--server', $list->address,
        \join '', map { "user$_\n" } 1 .. 1000);
    is $run->code, 4, 'a list: exit code';
    is $run->out =~ tr/\n//, 500, 'what was told by then is told';
    like $run->err, qr/^this is not all: 500 subjects looked at before that$/m,
        'and that it is not all';
    $list->stop;
};


subtest 'a trim that is cut off' => sub {
    my $file = "$dir/trim";
    my $cut = time + 1;
    wait_for(sub { time > $cut + 2 });

    is $ctl->run(qw(events export --output), $file, '--before', $cut)->code, 0,
        'exported';
    my @trim = (qw(events trim --yes --proof 1s --manifest), "$file.manifest");
    my $key = key_of(account => 'anna')->{events};
    my $all = $redis->cmd('XLEN', $key);

    $redis->cmd(qw(ACL SETUSER consentctl -xdel));
    my $run = $ctl->run(@trim);
    is $run->code, 4, 'before the first event';
    like $run->err, qr/refuses: NOPERM/, 'is told';
    is $redis->cmd('XLEN', $key), $all, 'nothing is gone';
    $redis->cmd(qw(ACL SETUSER consentctl +xdel));
    is $ctl->run('verify')->code, 0, 'and nothing is wrong';

    my ($first) = @{ $redis->cmd('XRANGE', $key, '-', '+', 'COUNT', 1) };
    $redis->cmd('XDEL', $key, $first->[0]);
    $run = $ctl->json('verify');
    is $run->code, 1, 'in the middle';
    is $run->data->{faults}[0]{fault}, 'truncated', 'it shows';
    like $run->data->{faults}[0]{detail}, qr/^a trim up to \S+ was cut off: run it again$/,
        'and what to do';

    is $ctl->run(@trim)->code, 0, 'again';
    is $redis->cmd('XLEN', $key), 1, 'but the last one';
    is $ctl->run('verify')->code, 0, 'all is good';

    my $whole = $redis->cmd('XRANGE', $key, '-', '+')->[0];
    $redis->cmd('DEL', $key);
    $run = $ctl->json('verify', '--checkpoints', $ledger);
    is $run->code, 1, 'the last one goes, too';
    $redis->cmd('XADD', $key, $whole->[0], @{ $whole->[1] });
    is $ctl->run('verify')->code, 0, 'it is back';
};


subtest 'nobody reads' => sub {
    for (['/dev/full', '> /dev/full'], ['a closed one', '>&-'],
        ['a pipe', '| true'])
    {
        my ($name, $where) = @$_;
        my $before = slurp($ledger);
        my $shell = $where =~ /\|/
            ? '{ sleep 0.2; "$0" "$@"; echo $? >&2; } | true; exit 3'
            : "exec \"\$0\" \"\$@\" $where";
        my $run = $ctl->shell($shell)->run(qw(checkpoint --all));

        is $run->code, 3, "$name: exit code";
        like $run->err,
            qr/^consentctl: cannot write to standard output(?:: .*)?$/m,
            'is told';
        like slurp($ledger), qr/\A\Q$before\E(?:\{"b":.*\}\n)+\z/,
            'and not in the file of checkpoints';
    }

    my $run = $ctl->shell('exec "$0" "$@" <&-')->run('pending', '--require',
        'x=1');
    is $run->code, 3, 'no standard input';
    like $run->err, qr/the list: cannot be read/, 'is told';
};


subtest 'what is no file of checkpoints' => sub {
    mkdir "$dir/directory";
    POSIX::mkfifo("$dir/fifo", 0600);

    for (
        ["$dir/directory", qr/is not a file/],
        ["$dir/fifo", qr/is not a file/],
        ['/dev/zero', qr/is not a file/],
        [$t->write_file('empty-line', "\n"), qr/line 1: it cannot be read/],
        [$t->write_file('nul', "\0\n"), qr/line 1: it cannot be read/],
        [$t->write_file('array', "[]\n"), qr/line 1: it cannot be read/],
        [$t->write_file('deep', ('[' x 100_000) . "\n"), qr/line 1: it cannot/],
        [$t->write_file('big', ('{"b":"' . 'x' x 5_000_000) . "\n"),
            qr/line 1: it cannot be read/],
    ) {
        my ($path, $why) = @$_;
        my $run = $ctl->run('verify', '--checkpoints', $path);
        is $run->code, 3, "$path: exit code";
        like $run->err, $why, 'and why';
        is $run->err =~ tr/\n//, 1, 'in one line';
    }

    is $ctl->run(qw(checkpoint --checkpoints), "$dir/directory")->code, 3,
        'nor to be written';
};

$t->done;
