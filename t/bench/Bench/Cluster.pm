package Bench::Cluster;

# The records of the lab once more, in a Redis Cluster.

use v5.36;

use ConsentGate::Cluster;
use ConsentGate::Redis;

use constant BATCH => 500;      # keys of one MIGRATE


# So many masters, with what the lab's Redis has now.
sub cluster ($lab, $masters) {
    my $servers = bless { lab => $lab, sockets => '' },
        'Bench::Cluster::Servers';
    my $cluster = ConsentGate::Cluster->new(test => $servers,
        masters => $masters, name => "of$masters-");

    copy($lab->redis, $cluster);

    return $cluster;
}


sub copy ($redis, $cluster) {
    my (%keys, @owner);

    for my $node ($cluster->masters) {
        $owner[$_] = $node for $cluster->slots_of($node);
    }

    for my $key ($redis->keys('gc:*')) {
        my ($tag) = $key =~ /\{(.+?)\}/;
        push @{ $keys{ $owner[slot($tag // $key)] } }, $key;
    }

    for my $node ($cluster->masters) {
        my @keys = @{ $keys{$node} // [] };

        while (my @some = splice @keys, 0, BATCH) {
            my $reply = $redis->cmd('MIGRATE', '127.0.0.1', $node->port, '',
                0, 10_000, 'COPY', 'KEYS', @some);
            die $reply->text . "\n" if ref $reply;
        }
    }

    return;
}


# CRC16 as the specification of Redis Cluster has it.
sub slot ($text) {
    my $crc = 0;

    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte << 8;
        $crc = $crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1 for 1 .. 8;
        $crc &= 0xffff;
    }

    return $crc % 16_384;
}


# What ConsentGate::Cluster wants of a test.

package Bench::Cluster::Servers;

sub dir  ($self)        { return $self->{lab}{dir} }
sub port ($self, $name) { return $self->{lab}->port($name) }

# Without a socket, whose path could be too long here; and not on nginx's core.
sub redis ($self, %options) {
    delete $options{socket};
    $options{config}{unixsocket} = '""';

    my $redis = ConsentGate::Redis->new(%options);
    $self->{lab}->pin($redis);

    return $redis;
}

1;
