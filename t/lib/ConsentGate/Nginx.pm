package ConsentGate::Nginx;

# A private nginx in a directory of its own.

use v5.36;

use Carp qw(croak);
use File::Path qw(make_path);
use IO::Socket::INET;

use ConsentGate::Process qw(alive reap slurp spawn wait_for);


# dir; config: its text, complete; port: one that it listens on.
sub new ($class, %options) {
    my $self = bless { name => 'nginx', %options }, $class;

    make_path("$self->{dir}/temp");
    $self->{conf}   = "$self->{dir}/$self->{name}.conf";
    $self->{log}    = "$self->{dir}/$self->{name}.error.log";
    $self->{stderr} = "$self->{dir}/$self->{name}.stderr.log";
    $self->{pidfile} = "$self->{dir}/$self->{name}.pid";

    $self->write_config($options{config});

    return $self;
}


sub binary () { return $ENV{CG_NGINX} // '/usr/sbin/nginx' }


sub write_config ($self, $text) {
    open my $fh, '>', $self->{conf} or croak "$self->{conf}: $!";
    print $fh $text;
    close $fh or croak "$self->{conf}: $!";
    return;
}


sub command ($self, @more) {
    return (binary(), '-p', $self->{dir}, '-c', $self->{conf}, @more);
}


sub start ($self) {
    unlink $self->{pidfile};
    $self->{pid} = spawn($self->{stderr}, $self->command);

    wait_for(sub { reap($self->{pid}) || $self->ready }, 20)
        && alive($self->{pid})
        or croak 'nginx does not start: ' . slurp($self->{stderr})
            . slurp($self->{log});

    return $self;
}


sub ready ($self) {
    return if !-s $self->{pidfile};
    return 1 if !$self->{port};
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port});
}


sub running ($self) { return $self->{pid} && alive($self->{pid}) }


# QUIT lets requests end, TERM does not. False: it had to be killed.
sub stop ($self, $signal = 'QUIT', $timeout = 15) {
    return 1 if !$self->{pid};
    return ConsentGate::Process::stop(delete $self->{pid}, $signal, $timeout);
}


sub signal ($self, $signal) { return kill $signal, $self->{pid} }
sub pid    ($self) { return $self->{pid} }


# The processes under the master: workers that serve. With a name, others:
# children('cache manager'), children('worker process is shutting down').
sub children ($self, $title = 'worker process') {
    my @pids = split ' ',
        slurp("/proc/$self->{pid}/task/$self->{pid}/children");

    return grep {
        slurp("/proc/$_/cmdline") =~ /^nginx: \Q$title\E\s*\0*$/
    } @pids;
}


# Waits until only new workers take requests. True, or false if nginx has
# refused the configuration.
sub reload ($self, $timeout = 20) {
    my %old  = map { $_ => 1 } $self->children;
    my $from = -s $self->{log};

    $self->signal('HUP');

    my $result = wait_for(sub {
        return 'refused'
            if substr(slurp($self->{log}), $from) =~ /\[emerg\]/;

        my @now = $self->children;
        return @now && !grep({ $old{$_} } @now) && 'new';
    }, $timeout) // croak 'nginx does not reload';

    return $result eq 'new';
}


# Reads configuration text without starting: exit code and output.
sub test_config ($self) {
    my $log = "$self->{dir}/$self->{name}.t.log";
    unlink $log;

    my $pid = spawn($log, $self->command('-t'));
    my $status;

    wait_for(sub { reap($pid) && do { $status = $?; 1 } }, 30)
        or croak 'nginx -t does not end';

    return { code => $status >> 8, signal => $status & 127,
        output => slurp($log) };
}

1;

__END__

=head1 NAME

ConsentGate::Nginx - a private nginx for tests

=head1 METHODS

C<start>, C<stop($signal)>, C<signal($signal)>, C<reload> (false when the new
configuration is refused), C<write_config($text)>, C<children($title)> (pids of
workers), C<pid>, C<running>, C<test_config>. Usually made by
L<ConsentGate::Test/nginx>.

=cut
