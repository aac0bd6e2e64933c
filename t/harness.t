use v5.36;

# The harness fails a test that should fail. Each case is a test of its own,
# run as prove would run it.

use lib 't/lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp;
use Test::More;
use ConsentGate::Process qw(slurp wait_for);

my $root = abs_path(dirname(__FILE__) . '/..');
my $tmp  = File::Temp->newdir;

my $SERVER = <<'END';
    my $nginx = $t->nginx('server { listen 127.0.0.1:%%PORT%%; return 204; }');
END


# Runs the body of a test; returns its exit code and output.
sub run_test ($body) {
    return end_test(start_test($body, "$tmp/build"));
}


sub start_test ($body, $build) {
    state $n = 0;
    my $name = 'harness-' . ++$n;
    my $file = "$tmp/$name.t";

    open my $fh, '>', $file or die "$file: $!";
    print $fh <<"END";
use v5.36;
use lib '$root/t/lib';
use Test::More;
use ConsentGate::Test;
my \$t = ConsentGate::Test->new(module => 0, name => '$name');
say '# directory ', \$t->dir;
$body
END
    close $fh or die "$file: $!";

    local @ENV{qw(CG_KEEP CG_BUILD TMPDIR)} = ('', $build, "$tmp");

    open my $test, '-|', "'$^X' '$file' 2>&1" or die "$file: $!";

    return $test;
}


sub end_test ($test) {
    my $output = do { local $/; readline $test } // '';
    close $test;
    my ($dir) = $output =~ /^# directory (.*)$/m;

    return { code => $? >> 8, output => $output, dir => $dir };
}


sub log_line ($line) {
    return $SERVER . <<"END" . '$t->done;';
    open my \$log, '>>', \$nginx->{log} or die;
    say \$log '$line';
    close \$log;
END
}


sub gone ($pid) {
    return wait_for(sub { !kill 0, $pid });
}


subtest 'a test that passes' => sub {
    my $r = run_test("$SERVER ok 1; \$t->done;");

    is $r->{code}, 0, 'passes' or diag $r->{output};
    ok !-e $r->{dir}, 'leaves nothing behind';
};

for my $line (
    '2026/01/01 00:00:00 [alert] 1#1: worker process 2 exited on signal 11',
    '2026/01/01 00:00:00 [crit] 1#1: *1 connect() to unix:/x failed',
    '2026/01/01 00:00:00 [emerg] 1#1: bind() failed',
    '==17==ERROR: AddressSanitizer: heap-use-after-free on address 0x60',
    '==17==ERROR: LeakSanitizer: detected memory leaks',
    'src/core/cg_str.c:10:5: runtime error: signed integer overflow',
) {
    subtest "a log with: $line" => sub {
        my $r = run_test(log_line($line));

        isnt $r->{code}, 0, 'fails';
        like $r->{output}, qr/^# kept: \Q$r->{dir}\E$/m, 'says where to look';
        like $r->{output}, qr/^# \Q$line\E$/m, 'shows the end of the log';
        ok -s "$r->{dir}/nginx.error.log", 'keeps the log';
    };
}

subtest 'a line that was expected' => sub {
    my $r = run_test('$t->allow_log(qr/no good/);'
        . log_line('2026/01/01 00:00:00 [alert] 1#1: no good'));

    is $r->{code}, 0, 'passes' or diag $r->{output};
};

subtest 'lines of a lower level' => sub {
    is run_test(log_line('2026/01/01 00:00:00 [error] 1#1: x'))->{code}, 0,
        'pass';
};

subtest 'a worker that crashes' => sub {
    my $r = run_test($SERVER . <<'END');
        wait_for(sub { kill SEGV => $nginx->children });
        $t->wait_for_log(qr/exited (?:on signal|with code)/);
        $t->done;
END

    isnt $r->{code}, 0, 'fails the test';
};

subtest 'a test that dies' => sub {
    my $r = run_test($SERVER . <<'END');
        my $redis = $t->redis;
        say "# pid $_" for $nginx->pid, $nginx->children, $redis->pid;
        die "on purpose\n";
END
    my @pids = $r->{output} =~ /^# pid (\d+)$/mg;

    isnt $r->{code}, 0, 'fails';
    is @pids, 3, 'had three processes';
    is_deeply [grep { !gone($_) } @pids], [], 'and leaves none';
};

# Servers of every kind, one of them stopped, and a process behind another.
my $MANY = $SERVER . <<'END';
    $| = 1;
    my $redis = $t->redis;
    my $fake = $t->fake;
    my $group = ConsentGate::Process::spawn_group("$t->{dir}/group.log",
        'sh', '-c', 'trap "" TERM; sleep 300 & echo $!; exec sleep 300');
    my $behind = wait_for(sub { slurp("$t->{dir}/group.log") =~ /(\d+)/ && $1 });
    say "# pid $_" for $nginx->pid, $nginx->children, $redis->pid,
        $fake->{pid}, $group, $behind;
    $redis->freeze;
END

for my $how (qw(KILL TERM INT HUP PIPE)) {
    subtest "a test that is ended by $how" => sub {
        my $r = run_test("$MANY kill $how => \$\$; sleep 60;");
        my @pids = $r->{output} =~ /^# pid (\d+)$/mg;

        is @pids, 6, 'had six processes' or diag $r->{output};
        is_deeply [grep { !gone($_) } @pids], [], 'and leaves none';
        is_deeply [glob "$tmp/consent-gate.*"], [], 'and no sockets'
            if $how ne 'KILL';
        remove_tree(glob "$tmp/consent-gate.*");
    };
}

subtest 'ports' => sub {
    my $take = <<'END';
        my @ports = map { $t->port($_) } 1 .. 150;
        say "# port $_" for @ports;
        wait_for(sub { 4 <= (() = glob "$ENV{CG_RENDEZVOUS}/*") }, 30)
            if open my $fh, '>', "$ENV{CG_RENDEZVOUS}/$$";
        Test::More::pass(); $t->done;
END
    local $ENV{CG_RENDEZVOUS} = "$tmp/rendezvous";
    mkdir $ENV{CG_RENDEZVOUS};

    # at the same time, each with a build/ of its own
    my @runs = map { start_test($take, "$tmp/build$_") } 1 .. 4;
    my %seen;
    $seen{$_}++ for map { end_test($_)->{output} =~ /^# port (\d+)$/mg } @runs;

    is scalar(keys %seen), 600, 'are never given to two';
};

subtest 'a test that does not come to its end' => sub {
    my $r = run_test("$SERVER ok 1; done_testing;");

    isnt $r->{code}, 0, 'fails';
    like $r->{output}, qr/has not come to \$t->done/, 'and is told why';
};

subtest 'an nginx that does not start' => sub {
    my $r = run_test('$t->nginx("nonsense;"); $t->done;');

    isnt $r->{code}, 0, 'fails the test';
    like $r->{output}, qr/unknown directive "nonsense"/, 'with its message';
};

subtest 'a reload' => sub {
    my $r = run_test(<<'END');
        my $server = 'server { listen 127.0.0.1:%%PORT%%; return 200 %s; }';
        $t->nginx($server =~ s/%s/one/r);
        is $t->get('/')->body, 'one', 'the first configuration';
        ok $t->reload($server =~ s/%s/two/r), 'is accepted';
        is $t->get('/')->body, 'two', 'the second configuration';
        ok !$t->reload('nonsense;'), 'is refused';
        is $t->get('/')->body, 'two', 'the second is still there';
        $t->allow_log(qr/unknown directive "nonsense"/);
        $t->done;
END
    is $r->{code}, 0, 'is waited for' or diag $r->{output};
};

done_testing;
