package ConsentGate::Sentinel;

# A master, its replicas, and the sentinels that watch them.

use v5.36;

use Carp qw(croak);
use File::Path qw(make_path);

use ConsentGate::Process qw(alive slurp spawn wait_for);
use ConsentGate::Redis;

use constant NAME => 'consent';


# test; replicas, sentinels: how many; config, sentinel: more settings; tls:
# { cert, key, ca }.
sub new ($class, %options) {
    my $self = bless { replicas => 2, sentinels => 3, config => {},
        sentinel => [], %options }, $class;

    my $master = $self->start_node(0);

    $self->{nodes} = [$master, map {
        $self->start_node($_, replicaof => '127.0.0.1 '
            . $master->public_port)
    } 1 .. $self->{replicas}];

    $self->{watchers} = [map { $self->start_sentinel($_, $master) }
        1 .. $self->{sentinels}];

    $self->wait_ok;

    return $self;
}


sub start_node ($self, $n, %config) {
    my $test = $self->{test};

    return $test->redis(
        %{ $self->{redis} // {} },
        dir    => $test->dir . "/redis-member$n",
        socket => "$test->{sockets}/member$n.sock",
        port   => $test->port("member$n"),
        config => {
            'repl-diskless-sync-delay' => 0,
            $self->{tls} ? ('tls-replication' => 'yes') : (),
            %config,
            %{ $self->{config} },
        },
        tls    => $self->tls("member-tls$n"),
    );
}


# For one server; nothing if there is to be none.
sub tls ($self, $port) {
    return $self->{tls}
        && { %{ $self->{tls} }, port => $self->{test}->port($port) };
}


# A sentinel writes to its configuration. It is the server, told to be one.
sub start_sentinel ($self, $n, $master) {
    my $test = $self->{test};
    my $name = NAME;
    my $port = $test->port("sentinel$n");
    my $dir  = $test->dir . "/redis-sentinel$n";

    my $tls  = $self->tls("sentinel-tls$n");
    my %tls  = $tls ? (ConsentGate::Redis::tls_config({ tls => $tls }),
        'tls-replication' => 'yes') : ();

    make_path($dir);
    $test->write_file("redis-sentinel$n/sentinel.conf", join '',
        map { "$_\n" }
        "port $port", 'bind 127.0.0.1', "dir $dir", 'logfile ""',
        (map { "$_ $tls{$_}" } sort keys %tls),
        "sentinel monitor $name 127.0.0.1 @{[ $master->public_port ]} "
            . (int(@{[1 .. $self->{sentinels}]} / 2) + 1),
        "sentinel down-after-milliseconds $name 1000",
        "sentinel failover-timeout $name 6000",
        "sentinel parallel-syncs $name 1",
        @{ $self->{sentinel} });

    my $watcher = bless {
        dir    => $dir,
        port   => $port,
        log    => "$dir/redis.log",
        socket => undef,
        config => {},
        tls    => $tls,
        %{ $self->{client} // {} },
    }, 'ConsentGate::Redis';

    $watcher->{pid} = spawn($watcher->{log}, { end => 'KILL' },
        $ENV{CG_REDIS} // 'redis-server', "$dir/sentinel.conf", '--sentinel');
    push @{ $test->{redis} }, $watcher;

    wait_for(sub { !alive($watcher->{pid}) || eval { $watcher->ready } }, 10)
        && alive($watcher->{pid})
        or croak "a sentinel does not start:\n" . slurp($watcher->{log});

    return $watcher;
}


# Each sentinel knows the others and the replicas; these follow the master that
# they name, and are in touch.
sub wait_ok ($self) {
    return wait_for(sub {
        my @up       = $self->up;
        my @watchers = grep { $_->pid } $self->watchers;
        my $master   = $self->master or return;
        my $port     = $master->public_port;

        @watchers == grep {
            my %known = $self->about($_);
            $known{'num-other-sentinels'} == @watchers - 1
                && $known{'num-slaves'} >= @up - 1
                && $known{port} == $port && $known{flags} eq 'master'
        } @watchers
            and @up == 1 + grep {
                my $role = $_->cmd('ROLE');
                $role->[0] eq 'slave' && $role->[2] == $port
                    && $role->[3] eq 'connected'
            } @up;
    }, 40) // croak 'the sentinels do not find each other';
}


# What a sentinel knows of the master.
sub about ($self, $watcher) {
    my $reply = $watcher->cmd('SENTINEL', 'MASTER', NAME);
    return ref $reply eq 'ARRAY' ? @$reply : ();
}


sub nodes    ($self) { return @{ $self->{nodes} } }
sub watchers ($self) { return @{ $self->{watchers} } }
sub up       ($self) { return grep { $_->pid } $self->nodes }


# Who is the master, by the word of a sentinel.
sub master ($self, $watcher = ($self->watchers)[-1]) {
    my $address = $watcher->cmd('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME);
    my ($node) = grep { $_->public_port == $address->[1] } $self->nodes;
    return $node;
}


# Ask a sentinel for another master; returns at once.
sub failover ($self) {
    my $reply = ($self->watchers)[-1]->cmd('SENTINEL', 'FAILOVER', NAME);
    croak $reply->text if ref $reply;
    return;
}


# One command to the master; and what is there.
sub cmd    ($self, @words)          { return $self->master->cmd(@words) }
sub hash   ($self, $key)            { return $self->master->hash($key) }
sub keys   ($self, $pattern = '*')  { return $self->master->keys($pattern) }


# What consent_store needs: the sentinels, and the topology.
sub store ($self, @watchers) {
    @watchers = $self->watchers if !@watchers;
    return join ' ', 'topology sentinel ' . NAME . ';',
        map { 'server 127.0.0.1:' . $_->public_port . ';' } @watchers;
}


# The configuration of ConsentGate::Test::consent_block with this store.
sub consent ($self, $more = '', @watchers) {
    my $store = $self->store(@watchers);
    my $block = ConsentGate::Test::consent_block();
    $block =~ s/^\s+(?:write_)?timeout .*\n//mg if $more =~ /timeout/;
    return $block =~ s/server\s+%%REDIS%%;/$store $more/r;
}

1;

__END__

=head1 NAME

ConsentGate::Sentinel - a master, replicas and sentinels for tests

=head1 SYNOPSIS

    my $group = $t->sentinel(replicas => 2, sentinels => 3);
    my $consent = $group->consent('timeout 100ms;');
    $t->nginx(flow_site() =~ s/%%CONSENT%%/$consent/r);

    $group->failover;                       # planned
    $group->master->stop('KILL');           # and not
    wait_for(sub { $group->master == $other }, 20);

=cut
