package ConsentGate::Process;

# Processes, ports and conditions: what the harness needs of the system.

use v5.36;

use Carp qw(croak);
use Config;
use Exporter qw(import);
use Fcntl qw(:flock O_CREAT O_RDWR);
use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(spawn alive stop reap wait_for free_port slurp kill_all);

use constant {
    PR_SET_PDEATHSIG => 1,      # prctl(2)
    SIGTERM          => 15,
    FIRST_PORT       => 20_000, # below the ports that the kernel hands out
    PORTS            => 10_000,
};

my %child;                      # pid => pid of the process that started it
my @locks;                      # of ports, held as long as we live


# Starts a program, or code, with its output in a file. It ends with us, even
# when we are killed.
sub spawn ($log, @command) {
    my $pid = fork // croak "fork: $!";

    if ($pid) {
        $child{$pid} = $$;
        return $pid;
    }

    die_with_parent();
    open STDIN, '<', '/dev/null' or POSIX::_exit(127);
    open STDOUT, '>>', $log or POSIX::_exit(127);
    open STDERR, '>&', \*STDOUT or POSIX::_exit(127);

    if (ref $command[0] eq 'CODE') {
        %child = ();
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        my $ok = eval { $command[0]->(); 1 };
        print STDERR $@ if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }

    { no warnings 'exec'; exec { $command[0] } @command; }
    print STDERR "$command[0]: $!\n";
    POSIX::_exit(127);
}


sub die_with_parent () {
    my %prctl = (x86_64 => 157, aarch64 => 167);
    my ($cpu) = $Config{archname} =~ /^([^-]+)/;

    syscall $prctl{$cpu}, PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0 if $prctl{$cpu};

    return;
}


sub alive ($pid) {
    return defined $child{$pid} && !reap($pid);
}


# True when the process is gone; its wait status in $? then.
sub reap ($pid) {
    return 1 if !exists $child{$pid};
    return 0 if waitpid($pid, WNOHANG) == 0;

    delete $child{$pid};

    return 1;
}


# Ends a process of ours: by $signal, and by force after $timeout seconds.
sub stop ($pid, $signal = 'TERM', $timeout = 10) {
    return if !exists $child{$pid};

    local $?;

    kill $signal, $pid;
    kill 'CONT', $pid;          # a test may have stopped it

    return 1 if wait_for(sub { reap($pid) }, $timeout);

    kill 'KILL', $pid;
    wait_for(sub { reap($pid) }, 5);

    return 0;
}


sub kill_all () {
    for my $pid (grep { $child{$_} == $$ } keys %child) {
        stop($pid, 'TERM', 3);
    }

    return;
}


# Waits for a condition; returns its value, or nothing after $timeout seconds.
sub wait_for ($condition, $timeout = 5) {
    my $end = time + $timeout;

    while (1) {
        my $value = $condition->();
        return $value if $value;
        return if time > $end;
        sleep 0.01;
    }
}


# A port of 127.0.0.1 that nobody else of this checkout will take: its lock is
# held until we end.
sub free_port ($dir) {
    make_path("$dir/ports");

    my $start = int rand PORTS;

    for my $n (0 .. PORTS - 1) {
        my $port = FIRST_PORT + ($start + $n) % PORTS;

        sysopen my $lock, "$dir/ports/$port", O_CREAT | O_RDWR or next;
        flock $lock, LOCK_EX | LOCK_NB or next;

        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => $port, Listen => 1) or next;
        close $socket;

        push @locks, $lock;
        return $port;
    }

    croak 'no free port';
}


sub slurp ($path) {
    open my $fh, '<:raw', $path or return '';
    local $/;
    return scalar readline($fh) // '';
}


for my $signal (qw(INT TERM HUP)) {
    $SIG{$signal} = sub { exit 130 };    # runs END
}

END {
    local $?;
    kill_all();
}

1;

__END__

=head1 NAME

ConsentGate::Process - start and stop processes, find ports, wait

=head1 FUNCTIONS

=over

=item C<spawn($log, @command)>, C<spawn($log, $code)>

The process id. Its output is appended to the file C<$log>.

=item C<alive($pid)>, C<reap($pid)>

Whether a process that was spawned runs; whether it is gone (C<$?> is its
status).

=item C<stop($pid, $signal = 'TERM', $timeout = 10)>

True if it left by itself.

=item C<wait_for($condition, $timeout = 5)>

Calls C<$condition> every 10 ms until it is true. Returns the value.

=item C<free_port($dir)>

=item C<slurp($path)>

The bytes of a file; an empty string when there is none.

=back

=cut
