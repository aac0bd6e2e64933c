package ConsentGate::Fake;

# A TCP server that speaks RESP by a script: late, in pieces, wrong, or not at
# all.

use v5.36;

use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

use ConsentGate::Process qw(slurp spawn wait_for);
use ConsentGate::Resp qw(resp_decode resp_encode);

use constant PIECE_GAP => 0.005;    # seconds between the pieces of a split

# What a server that works says to a client that introduces itself.
my %DEFAULT = (
    AUTH   => \'OK',
    SELECT => \'OK',
    CLIENT => \'OK',
    PING   => \'PONG',
    ROLE   => ['master', \0, []],
    '*'    => ConsentGate::Resp::Error->new('ERR not in the script'),
);


# dir, port; script => { COMMAND => action or [actions], '*' => ... }
sub new ($class, %options) {
    my $self = bless { script => {}, %options }, $class;

    $self->{script} = { %DEFAULT, %{ $self->{script} } };
    $self->{log}    = "$self->{dir}/fake.$self->{port}.log";
    $self->{seen}   = "$self->{dir}/fake.$self->{port}.json";

    return $self->start;
}


sub start ($self) {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1)
        or croak "port $self->{port}: $!";

    $self->{pid} = spawn($self->{log}, sub { $self->serve($listen) });
    close $listen;

    return $self;
}


sub stop ($self) {
    ConsentGate::Process::stop(delete $self->{pid}) if $self->{pid};
    return;
}


sub port    ($self) { return $self->{port} }
sub address ($self) { return "127.0.0.1:$self->{port}" }


# What has come in: [connection, command, arguments...]. Connections count
# from 1; one that opened or closed is [connection, '(open)'], '(close)'.
sub seen ($self, $command = undef) {
    my @seen = map { JSON::PP->new->latin1->decode($_) } split /\n/,
        slurp($self->{seen}) =~ s/[^\n]*\z//r;

    return defined $command ? grep { $_->[1] eq $command } @seen : @seen;
}


sub wait_for_command ($self, $command, $count = 1, $timeout = 5) {
    return wait_for(sub { $count <= (() = $self->seen($command)) }, $timeout);
}


# The server, in a process of its own.

sub serve ($self, $listen) {
    open my $seen, '>>', $self->{seen} or die "$self->{seen}: $!\n";
    $seen->autoflush;
    $listen->blocking(0);
    local $SIG{PIPE} = 'IGNORE';

    my $select = IO::Select->new($listen);
    my %connection;
    my $count = 0;
    $self->{note} = sub (@words) {
        print $seen JSON::PP->new->latin1->encode(\@words), "\n";
    };

    while (1) {
        for my $socket ($select->can_read(next_due(values %connection))) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                $client->blocking(0);
                $connection{$client} = { id => ++$count, socket => $client,
                    in => '', out => [] };
                $select->add($client);
                $self->{note}->($count, '(open)');
                $self->greet($connection{$client});
                next;
            }

            $self->receive($connection{$socket});
        }

        for my $c (values %connection) {
            send_due($c);

            if ($c->{closed}) {
                $select->remove($c->{socket});
                delete $connection{ $c->{socket} };
                close $c->{socket};
                $self->{note}->($c->{id}, '(close)');
            }
        }
    }
}


# "(open)" in the script: what is done before any command came.
sub greet ($self, $c) {
    $self->act($c, '(open)') if exists $self->{script}{'(open)'};
    return;
}


sub receive ($self, $c) {
    my $n = sysread $c->{socket}, $c->{in}, 65_536, length $c->{in};

    if (!$n) {
        $c->{closed} = 1 if defined $n || !$!{EAGAIN};
        return;
    }

    while (my $command = resp_decode(\$c->{in})) {
        $self->{note}->($c->{id}, @$$command);
        $self->act($c, @$$command);
    }

    return;
}


sub act ($self, $c, @command) {
    my $script = $self->{script};
    my $name   = $command[0] eq '(open)' ? $command[0] : uc $command[0];
    $name = '*' if !exists $script->{$name};

    my $action = $script->{$name};

    # A list of actions is used up one by one; the last one stays.
    if (ref $action eq 'ConsentGate::Fake::Turns') {
        $action = @$action > 1 ? shift @$action : $action->[0];
    }

    $action = $action->(@command) if ref $action eq 'CODE';
    $action = { reply => $action } if ref $action ne 'HASH';

    $self->queue($c, %$action);

    return;
}


sub queue ($self, $c, %action) {
    my $out   = $c->{out};
    my $last  = @$out ? $out->[-1][0] : 0;
    my $now   = time;
    my $start = ($last > $now ? $last : $now) + ($action{delay} // 0);

    my $bytes = $action{raw}
        // (exists $action{reply} ? resp_encode($action{reply}) : '');

    my $piece = $action{split} || length $bytes;
    my $at    = $start;

    while (length $bytes) {
        push @$out, [$at, substr $bytes, 0, $piece, ''];
        $at += PIECE_GAP;
    }

    push @$out, [$at, undef] if $action{close};

    return;
}


sub send_due ($c) {
    while (@{ $c->{out} } && $c->{out}[0][0] <= time) {
        my $bytes = $c->{out}[0][1];

        if (!defined $bytes) {
            $c->{closed} = 1;
            return;
        }

        my $n = syswrite $c->{socket}, $bytes;

        if (!defined $n) {
            $c->{closed} = 1 if !$!{EAGAIN};
            $c->{out}[0][0] = time + PIECE_GAP;
            return;
        }

        substr $c->{out}[0][1], 0, $n, '';
        shift @{ $c->{out} } if $c->{out}[0][1] eq '';
    }

    return;
}


# Seconds until something is to be sent; undef: nothing is.
sub next_due (@connections) {
    my ($first) = sort { $a <=> $b } map { $_->{out}[0][0] }
        grep { @{ $_->{out} } } @connections;

    return if !defined $first;

    my $wait = $first - time;
    return $wait > 0 ? $wait : 0;
}


# One action after the other: turns(\'OK', { close => 1 }).
sub turns (@actions) {
    return bless [@actions], 'ConsentGate::Fake::Turns';
}

1;

__END__

=head1 NAME

ConsentGate::Fake - a scripted Redis

=head1 SYNOPSIS

    my $fake = $t->fake(
        HMGET => ConsentGate::Fake::turns(
            ['aabbccdd', '1', undef],               # a reply
            { reply => [], delay => 0.2 },          # late
            { reply => [], split => 1 },            # byte by byte
            { raw => "*3\r\n:", close => 1 },       # cut off
            {},                                     # none
        ),
        EVALSHA => ConsentGate::Resp::Error->new('NOSCRIPT no'),
        '*'     => sub ($name, @arguments) { \'OK' },
    );

    consent_store { server %%FAKE%%; }              # its address

    $fake->wait_for_command('HMGET', 2);
    my @commands = $fake->seen('HMGET');

=head1 DESCRIPTION

An action is a reply, in the values of L<ConsentGate::Resp>; or a hash with
C<reply> or C<raw> (bytes), C<delay> (seconds after the reply before), C<split>
(bytes a piece) and C<close> (afterwards); or code that gets the command and
returns one of these; or C<turns(...)> of them, of which the last one stays.
AUTH, SELECT, CLIENT, PING and ROLE are answered as by a master unless the
script says otherwise; C<*> answers the rest, with an error by default.
C<(open)> is done when a connection opens.

=cut
