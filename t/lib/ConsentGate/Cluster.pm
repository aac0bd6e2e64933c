package ConsentGate::Cluster;

# A Redis Cluster of its own: masters and their replicas on free ports.

use v5.36;

use Carp qw(croak);

use ConsentGate::Process qw(wait_for);
use ConsentGate::Redis;

use constant SLOTS => 16_384;


# test; masters, replicas (of each), config: more settings; tls: { cert, key,
# ca }; name: another one for a second cluster of a test.
sub new ($class, %options) {
    my $self = bless { masters => 3, replicas => 0, config => {}, name => '',
        %options }, $class;
    my ($masters, $replicas) = @$self{qw(masters replicas)};

    $self->{nodes} = [map { $self->start_node }
        1 .. $masters * (1 + $replicas)];

    my @nodes   = @{ $self->{nodes} };
    my @leaders = @nodes[0 .. $masters - 1];

    for my $i (0 .. $#leaders) {
        $leaders[$i]->cmd('CLUSTER', 'ADDSLOTSRANGE',
            int(SLOTS * $i / @leaders), int(SLOTS * ($i + 1) / @leaders) - 1);
    }

    $self->meet($_) for @nodes[1 .. $#nodes];
    $self->wait_known;

    for my $i ($masters .. $#nodes) {
        ok($nodes[$i]->cmd('CLUSTER', 'REPLICATE',
            $self->id($leaders[$i % $masters])));
    }

    $self->wait_ok;

    return $self;
}


sub start_node ($self) {
    my $n    = $self->{name} . ($self->{started}++ // 0);
    my $test = $self->{test};
    my $port = $test->port("node$n");

    return $test->redis(
        %{ $self->{redis} // {} },
        dir    => $test->dir . "/redis-node$n",
        socket => "$test->{sockets}/node$n.sock",
        port   => $port,
        rules  => ['cluster'],
        config => {
            'cluster-enabled'      => 'yes',
            'cluster-port'         => $test->port("bus$n"),
            'cluster-node-timeout' => 2000,
            # a replica that was cut off may follow, too
            'cluster-replica-validity-factor' => 0,
            'repl-diskless-sync-delay' => 0,
            $self->{tls} ? ('tls-cluster' => 'yes') : (),
            %{ $self->{config} },
        },
        tls    => $self->{tls}
            && { %{ $self->{tls} }, port => $test->port("tls$n") },
    );
}


# A master without slots joins.
sub add ($self) {
    my $node = $self->start_node;

    push @{ $self->{nodes} }, $node;
    $self->meet($node);
    $self->wait_known;
    $self->wait_ok;

    return $node;
}


sub meet ($self, $node) {
    my $first = $self->{nodes}[0];
    return ok($node->cmd('CLUSTER', 'MEET', '127.0.0.1', $first->public_port,
        $first->{config}{'cluster-port'}));
}


sub ok ($reply) {
    croak $reply->text if ref $reply;
    return $reply;
}


sub wait_known ($self) {
    my @nodes = @{ $self->{nodes} };

    return wait_for(sub {
        @nodes == grep {
            my $text = $_->cmd('CLUSTER', 'NODES');
            @nodes == (() = $text =~ /^/mg) && $text !~ /handshake|noaddr/;
        } @nodes;
    }, 20) // croak 'the nodes do not meet';
}


# All slots served, and each replica in touch with its master.
sub wait_ok ($self) {
    return wait_for(sub {
        my @up = $self->up;
        @up == grep {
            $_->cmd('CLUSTER', 'INFO') =~ /^cluster_state:ok/m
                && $_->cmd('INFO', 'replication')
                    =~ /^role:master|^master_link_status:up/m
        } @up;
    }, 30) // croak 'the cluster does not serve';
}


sub nodes ($self) { return @{ $self->{nodes} } }
sub up    ($self) { return grep { $_->pid } @{ $self->{nodes} } }

sub masters ($self) {
    return grep { $_->cmd('ROLE')->[0] eq 'master' } $self->up;
}

# Those that follow a node.
sub replicas ($self, $node) {
    return grep {
        my $role = $_->cmd('ROLE');
        $role->[0] eq 'slave' && $role->[2] == $node->public_port;
    } $self->up;
}

sub id ($self, $node) { return $node->cmd('CLUSTER', 'MYID') }


# What consent_store needs: the servers, and the topology.
sub store ($self, @nodes) {
    @nodes = $self->nodes if !@nodes;
    return join ' ', 'topology cluster;',
        map { 'server 127.0.0.1:' . $_->public_port . ';' } @nodes;
}


# The configuration of ConsentGate::Test::consent_block with this store.
sub consent ($self, $more = '', @nodes) {
    my $store = $self->store(@nodes);
    my $block = ConsentGate::Test::consent_block();
    $block =~ s/^\s+(?:write_)?timeout .*\n//mg if $more =~ /timeout/;
    return $block =~ s/server\s+%%REDIS%%;/$store $more/r;
}


sub slot ($self, $key) {
    my ($up) = $self->up;
    return $self->{slot}{$key} //= $up->cmd('CLUSTER', 'KEYSLOT', $key);
}


# The master of a slot, as the first node that is up sees it.
sub owner ($self, $slot) {
    for my $range (@{ ($self->up)[0]->cmd('CLUSTER', 'SLOTS') }) {
        return $self->node_at($range->[2][1])
            if $slot >= $range->[0] && $slot <= $range->[1];
    }

    return;
}


sub slots_of ($self, $node) {
    return map { $_->[0] .. $_->[1] } grep { $_->[2][1] == $node->public_port }
        @{ ($self->up)[0]->cmd('CLUSTER', 'SLOTS') };
}


sub node_at ($self, $port) {
    my ($node) = grep { $_->public_port == $port } $self->nodes;
    return $node;
}


# One command, wherever its key is; when the cluster serves.
sub cmd ($self, @words) {
    my $reply;

    wait_for(sub {
        $reply = $self->follow(@words);
        return !failed($reply) || $reply->text !~ /^(?:CLUSTERDOWN|MOVED)/;
    }, 10);

    return $reply;
}


sub failed ($reply) { return ref $reply && ref $reply ne 'ARRAY' }


sub follow ($self, @words) {
    my ($node) = $self->up;
    my $reply;

    for (1 .. 5) {
        $reply = $node->cmd(@words);
        return $reply if !failed($reply)
            || $reply->text !~ /^(MOVED|ASK) \d+ \S*:(\d+)$/;

        my ($how, $next) = ($1, $self->node_at($2));
        return $reply if !$next || !$next->pid;

        $node = $next;
        $node->cmd('ASKING') if $how eq 'ASK';
    }

    return $reply;
}


sub hash ($self, $key) { return { @{ $self->cmd('HGETALL', $key) } } }

sub keys ($self, $pattern = '*') {
    my %keys = map { $_ => 1 } map { $_->keys($pattern) } $self->masters;
    return sort keys %keys;
}

sub calls ($self, $command) {
    my $n = 0;
    $n += $_->calls($command) for $self->up;
    return $n;
}


# A slot on its way: keys that are not there yet are asked of the new master.
sub begin_move ($self, $slot, $to) {
    my $from = $self->owner($slot);

    ok($to->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $self->id($from)));
    ok($from->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $self->id($to)));

    return $from;
}


# Some of its keys. Returns how many.
sub move_keys ($self, $slot, $from, $to, $count = 1000) {
    my @keys = @{ $from->cmd('CLUSTER', 'GETKEYSINSLOT', $slot, $count) };

    $self->migrate($from, $to, @keys) if @keys;

    return scalar @keys;
}


sub migrate ($self, $from, $to, @keys) {
    return ok($from->cmd('MIGRATE', '127.0.0.1', $to->public_port, '', 0, 5000,
        'KEYS', @keys));
}


# A master that has given its last slot away may follow the other one already.
sub end_move ($self, $slot, $from, $to) {
    ok($to->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $self->id($to)));

    my $reply = $from->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE',
        $self->id($to));
    croak $reply->text if ref $reply && $reply->text !~ /only with masters/;

    return;
}


sub move ($self, $slot, $to) {
    my $from = $self->begin_move($slot, $to);

    return if $from == $to;
    1 while $self->move_keys($slot, $from, $to);
    $self->end_move($slot, $from, $to);

    return;
}

1;

__END__

=head1 NAME

ConsentGate::Cluster - a private Redis Cluster for tests

=head1 SYNOPSIS

    my $cluster = $t->cluster(masters => 3, replicas => 1);
    my $consent = $cluster->consent('timeout 100ms;');
    $t->nginx(flow_site() =~ s/%%CONSENT%%/$consent/r);

    $cluster->cmd('HGETALL', $key);         # wherever it is
    my $node = $cluster->owner($cluster->slot($key));
    my ($replica) = $cluster->replicas($node);
    $replica->cmd('CLUSTER', 'FAILOVER');

    $cluster->move($slot, $cluster->add);   # a slot goes to a new master

=cut
