use v5.36;

# For a long time: requests of every kind, clients that leave, a Redis that
# dies, reloads. Each request has its answer and nothing grows. CG_SOAK=1 takes
# minutes instead of seconds.

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use List::Util qw(max);
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(sleep time);
use ConsentGate::Mix;
use ConsentGate::Test;

my ($requests, $resets, $deaths, $reloads)
    = $ENV{CG_SOAK} ? (1_000_000, 1000, 20, 100) : (100_000, 200, 3, 20);

use constant {
    WORKERS  => 2,
    CLIENTS  => 8,              # of the many requests, at a time
    BATCH    => 96,             # requests sent at once
    WARM_UP  => 40_000,         # requests until all memory is in use
    GROWTH   => 256,            # kB of a worker's own memory that may come
    GROWTH_A_RELOAD => 16,      # kB of the master's
};

my $t = ConsentGate::Test->new;

mix_pages($t);

my $redis = $t->redis(config => { appendonly => 'yes', appendfsync =>
    'always' });
my $nginx = $t->nginx(mix_site, workers => WORKERS);
my $mix   = ConsentGate::Mix->new($t);

wait_for(sub { $nginx->children == WORKERS });

# The memory of the sanitizers grows as they please.
my $sanitized = slurp('/proc/' . $nginx->pid . '/maps') =~ /\blibasan\b/;
$requests /= 10 if $sanitized;


# A batch of requests whose last one closes the connection, and the statuses
# that it must get.
sub batch () {
    my ($last, @kinds) = map { $mix->any } 1 .. BATCH;

    return {
        out  => join('', map({ $mix->bytes($_) } @kinds),
            $mix->bytes($last, Connection => 'close')),
        want => join(' ', map { ($mix->statuses($_))[0] } @kinds, $last),
        in   => '',
    };
}


# Sends that many requests; returns the batches that were answered wrongly.
sub send_many ($count) {
    my ($select, %busy, @wrong) = (IO::Select->new);
    my @batches = map { batch() } 1 .. 200;
    my $left = int($count / BATCH) + 1;

    my $start = sub () {
        return if $left-- <= 0;
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->port) or die "connect: $!";
        my $batch = $busy{$socket} = { %{ $batches[rand @batches] } };
        print {$socket} $batch->{out};
        $socket->flush;
        $select->add($socket);
    };

    $start->() for 1 .. CLIENTS;

    while ($select->count) {
        for my $socket ($select->can_read) {
            my $batch = $busy{$socket};
            next if sysread $socket, $batch->{in}, 65_536, length $batch->{in};

            $select->remove($socket);
            delete $busy{$socket};
            close $socket;
            my $got = join ' ', $batch->{in} =~ m{HTTP/1\.1 (\d+) }g;
            push @wrong, "$got\ninstead of\n$batch->{want}"
                if $got ne $batch->{want};
            $start->();
        }
    }

    return @wrong;
}


# kB that only this process has, without the zones that all share.
sub memory ($pid) {
    my ($kb) = slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
    return $kb;
}

sub descriptors ($pid) { return scalar(() = glob "/proc/$pid/fd/*") }

sub measure (@pids) {
    return { map { $_ => [memory($_), descriptors($_)] } @pids };
}

sub is_no_larger ($what, $before, $growth) {
    my $after = measure(keys %$before);

    for my $pid (sort keys %$before) {
        my ($m0, $m1) = map { $_->{$pid}[0] } $before, $after;
        note "$what: $m0 kB before, $m1 kB after";
        cmp_ok $m1 - $m0, '<=', $growth, "$what: memory of $pid"
            if !$sanitized;
        ok wait_for(sub { descriptors($pid) <= $before->{$pid}[1] }),
            "$what: descriptors of $pid" or diag join "\n",
            map { readlink } glob "/proc/$pid/fd/*";
    }

    return;
}


subtest 'many requests' => sub {
    my @pids = sort $nginx->children;

    is_deeply [send_many(WARM_UP)], [], 'until all memory is in use';
    my $before = measure(@pids);
    my $began = time;

    is_deeply [send_many($requests)], [], "$requests more, each as it should";
    note sprintf '%d requests a second', $requests / (time - $began);

    is_no_larger('afterwards', $before, GROWTH);
    is_deeply [sort $nginx->children], \@pids, 'the same workers';
};

subtest 'clients that leave' => sub {
    my @pids = sort $nginx->children;
    my $before = measure(@pids);
    my %got;

    for my $n (1 .. $resets) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->port) or die "connect: $!";
        setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0;
        my $bytes = $mix->bytes($mix->any);
        $bytes = substr $bytes, 0, rand length $bytes if $n % 5 == 0;
        print {$socket} $bytes;
        $socket->flush;
        sleep rand 0.0005 if $n % 2;        # while it is being answered
        close $socket;

        $got{ $mix->anna->get('/')->status }++ if $n % 10 == 0;
    }

    is_deeply \%got, { 200 => int($resets / 10) }, 'nobody else notices';
    $mix->anna->close;
    ok wait_for(sub { $before->{$_}[1] >= descriptors($_) }),
        "their connections to $_ are closed" or diag $before->{$_}[1], "\n",
            `ls -l /proc/$_/fd; ss -tnp | grep pid=$_,`
        for @pids;
    is_deeply [sort $nginx->children], \@pids, 'the same workers';
    is_deeply [send_many(1000)], [], 'who serve as before';
};

subtest 'Redis dies' => sub {
    my @pids = sort $nginx->children;
    my ($died, $down, $connected) = (0, 0, 0);

    my $got = $mix->run(sub ($n) {
        return $died < $deaths || $down if $n % 150;

        if ($down) {
            $redis->start;
            $down = 0;
        } else {
            $connected = max $connected, $redis->cmd('INFO', 'clients')
                =~ /^connected_clients:(\d+)/m;
            return 0 if $died == $deaths;
            $redis->stop('KILL');
            $down = 1;
            $died++;
        }

        return 1;
    });

    is $died, $deaths, "$deaths times";
    is $mix->wrong($got, down => 1), '', 'each of '
        . ConsentGate::Mix::total($got) . ' requests has its answer';

    # two of each worker, the feed, and the test itself
    ok wait_for(sub { $redis->cmd('INFO', 'clients')
        =~ /^connected_clients:(\d+)/m and $1 <= 2 * WORKERS + 2 }),
        'few connections afterwards';
    cmp_ok $connected, '<=', 2 * WORKERS + 2, 'and all along';

    ok wait_for(sub { !send_many(1000) }, 15), 'then all is as before';
    is_deeply [sort $nginx->children], \@pids, 'with the same workers';
};

subtest 'reloads' => sub {
    my ($done, %old, $before) = (0);
    my $warm = 5;

    # another one as soon as the workers of the last one are there
    my $got = $mix->run(sub ($n) {
        return 1 if $n % 10;
        my @now = $nginx->children;
        return 1 if @now < WORKERS || grep { $old{$_} } @now;

        if ($done == $warm || $done == $warm + $reloads) {
            return 1 if $nginx->children('worker process is shutting down');
            $before //= measure($nginx->pid);
        }

        return 0 if $done == $warm + $reloads;
        %old = map { $_ => 1 } @now;
        $nginx->signal('HUP');
        return ++$done;
    }, Connection => 'close');

    is $done, $warm + $reloads, "$reloads times";
    is $mix->wrong($got), '', 'each of '
        . ConsentGate::Mix::total($got) . ' requests has its answer';
    ok wait_for(sub { !$nginx->children('worker process is shutting down') }),
        'the old workers end';
    is_no_larger('the master', $before, GROWTH_A_RELOAD * $reloads);
    is_deeply [send_many(1000)], [], 'and the new ones serve';
};

unlike $t->log, qr/open socket|left in connection/, 'no socket was left open';

$t->done;
