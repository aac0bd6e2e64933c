use v5.36;

# What changes in Redis is known to every worker at once: policies and records.
# The times are printed; the limit is what a loaded machine may need.

use lib 't/lib';
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);
use ConsentGate::Flow;
use ConsentGate::Test;

use constant TRIES => $ENV{CG_TRIES} // 200;
use constant LIMIT => 0.25;     # seconds, of 99 in 100; the aim is 0.05

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;
$t->publish(map { $_ => { version => 5, required => 5 } }
    qw(terms privacy cookies));

my $nginx = $t->nginx(flow_site(
    http   => 'consent_cache zone=feed:1m ttl=10m;',
    server => <<'END',
        consent_subject $http_x_test_account;
        add_header X-Pid $pid always;
        add_header X-Cache $consent_cache always;
END
), workers => 2);

my $redis = $t->redis;


sub reason ($r) {
    return $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '';
}

sub client {
    return $t->browser('DE', headers => ['X-Test-Account' => 'anna']);
}

# A connection to each worker, kept open.
sub workers () {
    my %client;
    my @spare;

    wait_for(sub {
        my $client = client();
        my $pid    = $client->get('/')->header('X-Pid');
        push @spare, $client;
        $client{$pid} //= $client;
        return keys %client == 2;
    }, 10) or die 'not every worker can be reached';

    return values %client;
}

sub feeds { return grep { /\bname=consent-gate-feed\b/ }
    split /\n/, $redis->cmd('CLIENT', 'LIST') }

# Seconds until every worker says so.
sub until_all ($start, $reason, @workers) {
    for my $worker (@workers) {
        wait_for(sub { reason($worker->get('/')) eq $reason }, 3) or return 3;
    }
    return time - $start;
}

sub percentile ($p, @times) {
    my @sorted = sort { $a <=> $b } @times;
    return $sorted[max(0, int(@sorted * $p / 100 + 0.5) - 1)];
}

sub quick ($what, @times) {
    my ($p50, $p99) = map { percentile($_, @times) } 50, 99;

    diag sprintf '%s: p50 %.1f ms, p99 %.1f ms, max %.1f ms of %d', $what,
        1000 * $p50, 1000 * $p99, 1000 * max(@times), scalar @times;
    cmp_ok $p99, '<=', LIMIT, "$what: known to every worker at once";
}


ok $t->wait_for_log(qr/\[notice\] \d+#\d+: consent feed [^:]+:\S+: up/),
    'the feed is up';
is scalar(feeds()), 1, 'one for both workers';

my @workers = workers();

{
    my $state = $workers[0]->get('/consent/state')->json;
    my $r = $workers[0]->post('/consent/accept', { token => $state->{token},
        document => [qw(terms privacy cookies)] });
    is $r->status, 303, 'a record';
}

my ($key) = $redis->keys('gc:s:*');
my %record = %{ $redis->hash($key) };

ok until_all(time, 'accepted', @workers) < 3, 'is known';

# What was asked for right after the feed came up is not taken as covered.
for my $worker (@workers) {
    ok wait_for(sub { $worker->get('/')->header('X-Cache') eq 'hit' }),
        'and kept';
}


subtest 'policies' => sub {
    my @times;

    for my $n (1 .. TRIES) {
        my $start = time;
        my $version = $n % 2 ? 6 : 5;
        $t->publish(terms => { version => $version, required => $version });
        push @times, until_all($start, $n % 2 ? 'outdated' : 'accepted',
            @workers);
    }

    quick('policies', @times);
};

subtest 'records' => sub {
    my @times;

    for my $n (1 .. TRIES) {
        my $start = time;
        $redis->cmd($n % 2 ? ('DEL', $key) : ('HSET', $key, %record));
        push @times, until_all($start, $n % 2 ? 'missing' : 'accepted',
            @workers);
    }

    quick('records', @times);
};

subtest 'many changes of the policies in a row' => sub {
    my $calls = $redis->calls('hgetall');

    $redis->cmds(map { ['HSET', 'gc:p', 'terms',
        "version=$_ required=$_"] } 100 .. 1099);

    ok wait_for(sub {
        $workers[0]->get('/consent/state')->json->{documents}[0]{version}
            == 1099;
    }, 3), 'the last one counts';
    cmp_ok $redis->calls('hgetall') - $calls, '<', 500,
        'and not each one is read';

    $t->publish(terms => { version => 5, required => 5 });
    ok until_all(time, 'accepted', @workers) < 3, 'and back';
};

subtest 'what is no change of a subject' => sub {
    $redis->cmd('HSET', "gc:s:$_", 'x', 1)
        for '', '{000}', '{xyz}' . 'A' x 22, '{000}' . 'A' x 21,
            '{000}' . 'A' x 21 . 'B', '{001}' . 'A' x 22,
            '{000}' . '*' x 22, 'x' x 1000, "\r\n\0";
    $redis->cmd('SET', 'gc:px', 1);
    $redis->cmd('SET', 'gc:pages', 1);
    $redis->cmd('PUBLISH', '__redis__:invalidate', $_) for 'gc:p', '', $key;
    $redis->cmd('EVAL', 'for i = 1, 20000 do redis.call("SET", "gc:s:" .. i,'
        . ' i) end', 0);

    sleep 0.2;
    is $workers[$_]->get('/')->header('X-Cache'), 'hit', 'changes nothing'
        for 0, 1;
    unlike $t->log, qr/consent feed.*lost/, 'nor the feed';
};

subtest 'FLUSHALL' => sub {
    $redis->cmd('FLUSHALL');

    cmp_ok until_all(time, 'missing', @workers), '<', LIMIT,
        'all records are gone at once';

    $redis->cmd('HSET', $key, %record);
    ok until_all(time, 'accepted', @workers) < 3,
        'and the policies are what they were';
};

subtest 'CLIENT KILL' => sub {
    my ($id) = (feeds())[0] =~ /^id=(\d+)/;
    my $from = $t->log_size;

    # it has been up for a second
    sleep 1.2;
    is $redis->cmd('CLIENT', 'KILL', 'ID', $id), 1, 'the feed is cut';
    ok $t->wait_for_log(qr/\[warn\] .*consent feed.*: lost: connection closed/,
        from => $from), 'which is told';
    ok $t->wait_for_log(qr/\[notice\] .*consent feed.*: up/, from => $from),
        'and it is back';
    is scalar(feeds()), 1, 'one';

    my $start = time;
    $redis->cmd('DEL', $key);
    cmp_ok until_all($start, 'missing', @workers), '<', LIMIT,
        'changes are known at once';
    $redis->cmd('HSET', $key, %record);
};

subtest 'silence' => sub {
    my $from = $t->log_size;

    until_all(time, 'accepted', @workers);
    sleep 1.2;
    $redis->freeze;
    my $start = time;
    ok $t->wait_for_log(qr/consent feed.*: lost: no reply/, from => $from),
        'is a loss';
    my $after = time - $start;
    diag sprintf 'silence is noticed after %.1f s', $after;
    cmp_ok $after, '<', 3.5, 'after three seconds';
    $redis->thaw;
    ok $t->wait_for_log(qr/consent feed.*: up/, from => $from), 'and ends';
};

subtest 'Redis starts again' => sub {
    my $from = $t->log_size;

    sleep 1.2;
    $redis->stop;
    ok $t->wait_for_log(qr/consent feed.*: lost/, from => $from), 'lost';
    sleep 2;
    $redis->start;
    my $start = time;
    ok $t->wait_for_log(qr/consent feed.*: up/, from => $from), 'up';
    diag sprintf 'up %.1f s after Redis', time - $start;

    my @lines = substr($t->log, $from) =~ /consent feed.*/g;
    cmp_ok scalar(@lines), '<=', 4, 'in a few lines' or diag @lines;
};

$t->done;
