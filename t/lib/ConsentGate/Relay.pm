package ConsentGate::Relay;

# Stands between nginx and a real Redis, and keeps answers to questions back
# while it is told to. The feed's connection is never held.

use v5.36;

use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

use ConsentGate::Process qw(slurp spawn wait_for);

use constant TURN => 0.002;     # seconds between looks at the hold


# dir; port: to listen on; to: the socket of Redis.
sub new ($class, %options) {
    my $self = bless {%options}, $class;

    $self->{hold} = "$self->{dir}/relay.$self->{port}.hold";
    $self->{held} = "$self->{dir}/relay.$self->{port}.held";

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1)
        or croak "port $self->{port}: $!";

    $self->{pid} = spawn("$self->{dir}/relay.$self->{port}.log",
        sub { $self->serve($listen) });
    close $listen;

    return $self;
}


sub address ($self) { return "127.0.0.1:$self->{port}" }


# From now on answers to HMGET stay here.
sub hold ($self) {
    unlink $self->{held};
    open my $fh, '>', $self->{hold} or croak "$self->{hold}: $!";
    return close $fh;
}


# True once an answer is being kept back.
sub wait_held ($self, $timeout = 5) {
    return wait_for(sub { -s $self->{held} }, $timeout);
}


sub release ($self) {
    return unlink $self->{hold};
}


# In a process of its own.
sub serve ($self, $listen) {
    local $SIG{PIPE} = 'IGNORE';

    my $select = IO::Select->new($listen);
    my %of;                             # by socket: the connection, and side

    while (1) {
        for my $socket ($select->can_read(TURN)) {
            if ($socket == $listen) {
                my $c = $self->accept($listen) or next;
                @of{@$c{qw(client redis)}} = ([$c, 'client'], [$c, 'redis']);
                $select->add(@$c{qw(client redis)});
                next;
            }

            my ($c, $side) = @{ $of{$socket} // next };

            if (!$self->take($c, $side)) {
                $select->remove(@$c{qw(client redis)});
                delete @of{@$c{qw(client redis)}};
                close $_ for @$c{qw(client redis)};
            }
        }

        my $hold = -e $self->{hold};

        $self->forward($_, $hold)
            for map { $_->[0] } grep { $_->[1] eq 'client' } values %of;
    }
}


sub accept ($self, $listen) {
    my $client = $listen->accept or return;
    my $redis  = IO::Socket::UNIX->new(Peer => $self->{to});

    if (!$redis) {
        close $client;
        return;
    }

    return { client => $client, redis => $redis, back => '' };
}


# Bytes of one side: a question goes on at once, an answer waits for its turn.
sub take ($self, $c, $side) {
    sysread $c->{$side}, my $bytes, 65_536 or return 0;

    if ($side eq 'redis') {
        $c->{back} .= $bytes;
        return 1;
    }

    $c->{asked} = 1 if $bytes =~ /\bHMGET\b/;

    return syswrite $c->{redis}, $bytes;
}


sub forward ($self, $c, $hold) {
    return if $c->{back} eq '';

    if ($hold && $c->{asked}) {
        open my $fh, '>', $self->{held} or die "$self->{held}: $!\n";
        print $fh "held\n";
        close $fh;
        return;
    }

    $c->{asked} = 0;
    syswrite $c->{client}, $c->{back};
    $c->{back} = '';

    return;
}

1;

__END__

=head1 NAME

ConsentGate::Relay - keeps answers of a real Redis back

=head1 SYNOPSIS

    my $relay = $t->relay;              # %%RELAY%%: its address

    $relay->hold;
    # a request that asks Redis
    $relay->wait_held;
    # Redis has answered; what it says may change now
    $relay->release;

=cut
