package ConsentGate::Process;

# Processes, ports and conditions: what the harness needs of the system.

use v5.36;

use Carp qw(croak);
use Config;
use Exporter qw(import);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(spawn spawn_group die_with alive stop reap wait_for
    free_port slurp);

use constant {
    PR_SET_PDEATHSIG => 1,      # prctl(2)
    FIRST_PORT       => 20_000, # below the ports that the kernel hands out
    PORTS            => 10_000,
};

my %NUMBER = (TERM => POSIX::SIGTERM, KILL => POSIX::SIGKILL);

my %child;                      # pid => pid of the process that started it
my @taken;                      # ports, held as long as we live


# Starts a program, or code, with its output in a file. It ends with us, even
# when we are killed: by SIGTERM, or a signal that is given before the program.
sub spawn ($log, @command) {
    my $signal = ref $command[0] eq 'HASH' ? (shift @command)->{end} : 'TERM';
    my $parent = $$;
    my $pid = fork // croak "fork: $!";

    if ($pid) {
        $child{$pid} = $$;
        return $pid;
    }

    die_with($parent, $signal);
    open STDIN, '<', '/dev/null' or POSIX::_exit(127);
    open STDOUT, '>>', $log or POSIX::_exit(127);
    open STDERR, '>&', \*STDOUT or POSIX::_exit(127);

    if (ref $command[0] eq 'CODE') {
        %child = ();
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        my $ok = eval { $command[0]->(); 1 };
        print STDERR $@ if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }

    run(@command);
}


sub run (@command) {
    { no warnings 'exec'; exec { $command[0] } @command; }
    print STDERR "$command[0]: $!\n";
    POSIX::_exit(127);
}


# Starts a program that starts others and may leave them behind: all of them
# end with it, and with us.
sub spawn_group ($log, @command) {
    return spawn($log, sub {
        my $stop = 0;
        local $SIG{TERM} = sub { $stop = 1 };

        setpgrp;
        my $pid = fork // croak "fork: $!";
        run(@command) if !$pid;

        wait_for(sub { $stop || waitpid($pid, WNOHANG) }, 1e9);
        local $SIG{TERM} = 'IGNORE';
        kill 'TERM', -$$;
        wait_for(sub { waitpid $pid, WNOHANG }, 1);
        kill 'KILL', -$$;
    });
}


# In a child: the end of its parent is its own. One whose parent has gone
# already would wait for that in vain.
sub die_with ($parent, $signal = 'TERM') {
    my %prctl = (x86_64 => 157, aarch64 => 167);
    my ($cpu) = $Config{archname} =~ /^([^-]+)/;

    syscall $prctl{$cpu}, PR_SET_PDEATHSIG, $NUMBER{$signal}, 0, 0, 0
        if $prctl{$cpu};
    POSIX::_exit(127) if getppid != $parent;

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
    my $nap = 0.001;

    while (1) {
        my $value = $condition->();
        return $value if $value;
        return if time > $end;
        sleep $nap;
        $nap *= 1.5 if $nap < 0.01;
    }
}


# A port of 127.0.0.1 that no other test of this machine will take, of whatever
# checkout and user: a name among the abstract sockets stands for it as long as
# we or what we have started live. They belong to the network namespace, as the
# ports do.
sub free_port () {
    my $start = int rand PORTS;

    for my $n (0 .. PORTS - 1) {
        my $port = FIRST_PORT + ($start + $n) % PORTS;

        my $name = IO::Socket::UNIX->new(Local => "\0consent-gate-port-$port",
            Listen => 1) or next;

        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => $port, Listen => 1) or next;
        close $socket;

        push @taken, $name;
        return $port;
    }

    croak 'no free port';
}


sub slurp ($path) {
    open my $fh, '<:raw', $path or return '';
    local $/;
    return scalar readline($fh) // '';
}


for my $signal (qw(INT TERM HUP PIPE)) {
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

The process id. Its output is appended to the file C<$log>. With C<{ end =E<gt>
'KILL' }> before the command that is the signal it gets when we are gone: for
what may be stopped then.

=item C<spawn_group($log, @command)>

The same for a program whose children outlive it.

=item C<die_with($parent)>

In a process of one's own fork: it ends with its parent.

=item C<alive($pid)>, C<reap($pid)>

Whether a process that was spawned runs; whether it is gone (C<$?> is its
status).

=item C<stop($pid, $signal = 'TERM', $timeout = 10)>

True if it left by itself.

=item C<wait_for($condition, $timeout = 5)>

Calls C<$condition> until it is true, soon every 10 ms. Returns the value.

=item C<free_port>

=item C<slurp($path)>

The bytes of a file; an empty string when there is none.

=back

=cut
