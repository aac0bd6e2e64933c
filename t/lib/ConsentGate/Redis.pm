package ConsentGate::Redis;

# A private redis-server, and a client to look into it.

use v5.36;

use Carp qw(croak);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

use ConsentGate::Process qw(alive slurp spawn wait_for);
use ConsentGate::Resp qw(resp_command resp_decode);

my $RULES = dirname(__FILE__) . '/../../../conf/redis';

# The users of the documentation, with their passwords.
our %USER = (gate => 'gate-secret', consentctl => 'consentctl-secret');


# dir: of data and log; socket: path; port: 0 is none; config: further
# settings; user, password: of the client; tls: { port, cert, key, ca }, and
# the unix socket stays without.
sub new ($class, %options) {
    my $self = bless { port => 0, config => {}, %options }, $class;

    make_path($self->{dir});
    $self->{log} = "$self->{dir}/redis.log";

    return $self->start;
}


sub start ($self) {
    my %config = (
        port           => $self->{port},
        bind           => '127.0.0.1',
        unixsocket     => $self->{socket},
        unixsocketperm => 700,
        dir            => $self->{dir},
        save           => '""',
        appendonly     => 'no',
        logfile        => '""',
        $self->tls_config,
        %{ $self->{config} },
    );

    $self->{conf} = "$self->{dir}/redis.conf";
    open my $fh, '>', $self->{conf} or croak "$self->{conf}: $!";
    print $fh "$_ $config{$_}\n" for sort keys %config;
    print $fh "user $_ on >$USER{$_} @{[ $self->rules_of($_) ]}\n"
        for sort keys %USER;
    close $fh or croak "$self->{conf}: $!";

    $self->{pid} = spawn($self->{log}, { end => 'KILL' },
        $ENV{CG_REDIS} // 'redis-server', $self->{conf});

    wait_for(sub { !alive($self->{pid}) || eval { $self->ready } }, 10)
        && alive($self->{pid})
        or croak "redis-server does not start:\n" . slurp($self->{log});

    return $self;
}


# Those of a user here; rules: names of more files, for all.
sub rules_of ($self, $user) {
    return map { rules($_) } $user, @{ $self->{rules} // [] };
}


# The rules of conf/redis/NAME.acl.
sub rules ($name) {
    my $text = slurp("$RULES/$name.acl") or croak "$RULES/$name.acl: $!";
    return split ' ', $text =~ s/#.*//gr;
}


sub tls_config ($self) {
    my $tls = $self->{tls} or return;

    return (
        'tls-port'         => $tls->{port},
        'tls-cert-file'    => $tls->{cert},
        'tls-key-file'     => $tls->{key},
        'tls-ca-cert-file' => $tls->{ca},
        'tls-auth-clients' => $tls->{auth} // 'no',
    );
}


sub ready ($self) {
    my $pong = $self->cmd('PING');
    return !ref $pong || $pong->text !~ /^LOADING/;
}


sub stop ($self, $signal = 'TERM') {
    delete $self->{client};
    ConsentGate::Process::stop(delete $self->{pid}, $signal) if $self->{pid};
    return;
}


# Silent, and connections still open: SIGSTOP. And on again.
sub freeze ($self) { return kill 'STOP', $self->{pid} }
sub thaw   ($self) { return kill 'CONT', $self->{pid} }

sub pid    ($self) { return $self->{pid} }
sub port   ($self) { return $self->{port} }

# Where others find it: with TLS, if it has that.
sub public_port ($self) {
    return $self->{tls} ? $self->{tls}{port} : $self->{port};
}
sub socket ($self) { return $self->{socket} }

# As consent_store's "server" takes it.
sub address ($self) { return "unix:$self->{socket}" }


# One command. An error is returned as an object, not thrown.
sub cmd ($self, @words) {
    return ($self->cmds(\@words))[0];
}


# Many commands in one go, an array each. A kept connection that the server has
# closed is made again.
sub cmds ($self, @commands) {
    my $kept   = $self->{client};
    my $client = $self->{client} //= $self->connect;
    local $SIG{PIPE} = 'IGNORE';

    print {$client} map { resp_command(@$_) } @commands;
    $client->flush;

    my $first = eval { \$self->reply };

    return $$first, map { $self->reply } @commands[1 .. $#commands] if $first;
    return $self->cmds(@commands) if $kept && $self->{pid};
    croak $@;
}


sub reply ($self) {
    while (1) {
        if (my $value = resp_decode(\$self->{buffer})) {
            return $$value;
        }

        if (!IO::Select->new($self->{client})->can_read(10)
            || !sysread $self->{client}, $self->{buffer}, 65_536,
                length $self->{buffer})
        {
            delete $self->{client};
            croak 'no reply from redis-server';
        }
    }
}


sub connect ($self) {
    my $client = $self->{socket}
        ? IO::Socket::UNIX->new(Peer => $self->{socket})
        : IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}");

    croak "redis-server: $!" if !$client;

    local $self->{client} = $client;
    $self->{buffer} = '';

    if (my $password = $self->{password}) {
        print {$client} resp_command('AUTH', $self->{user} // 'default',
            $password);
        $client->flush;
        $self->reply;
    }

    return $client;
}


# HGETALL as a hash.
sub hash ($self, $key) {
    return { @{ $self->cmd('HGETALL', $key) } };
}


sub keys ($self, $pattern = '*') {
    return sort @{ $self->cmd('KEYS', $pattern) };
}


# How often a command was called: calls('hmget').
sub calls ($self, $command) {
    my $stats = $self->cmd('INFO', 'commandstats');
    return $stats =~ /^cmdstat_\Q$command\E:calls=(\d+)/mi ? $1 : 0;
}

1;

__END__

=head1 NAME

ConsentGate::Redis - a private redis-server for tests

=head1 METHODS

=over

=item C<cmd(@words)>, C<cmds([@words], ...)>

Replies as Perl values. An error reply is a C<ConsentGate::Resp::Error>, whose
C<text> tells.

=item C<ConsentGate::Redis::rules($name)>

The rules of F<conf/redis/NAME.acl>. Each server has the users C<gate> and
C<consentctl> with them; C<%ConsentGate::Redis::USER> has their passwords. The
client is the default user, who may do everything.

=item C<hash($key)>, C<keys($pattern)>, C<calls($command)>

=item C<start>, C<stop($signal)>, C<freeze>, C<thaw>

=item C<address>, C<socket>, C<port>, C<public_port>, C<pid>

=back

=cut
