use v5.36;

# One worker has the feed. Another takes it over when that one is killed, stops
# answering, leaves, or is replaced by a reload.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $site = flow_site(
    http   => 'consent_cache zone=lease:1m ttl=10m;',
    server => 'add_header X-Pid $pid always;',
);
my $nginx = $t->nginx($site, workers => 4);
my $redis = $t->redis;


sub feeds { return grep { /\bname=consent-gate-feed\b/ }
    split /\n/, $redis->cmd('CLIENT', 'LIST') }

# Waits for the next worker that has the feed, and is none of %$old: the first
# that leaves may give it to one that is about to.
sub next_holder ($from, $old = {}) {
    return wait_for(sub {
        my ($pid) = grep { !$old->{$_} } substr($t->log, $from)
            =~ /(\d+)#\d+: consent feed \S+ up,/g;
        return $pid;
    }, 10);
}

sub version_seen ($version) {
    return wait_for(sub {
        $t->http->get('/consent/state')->json->{documents}[0]{version}
            == $version;
    }, 1);
}

my $version = 10;

# The feed works: a new version is known at once, and there is one.
sub works ($what) {
    $t->publish(terms => { version => ++$version, required => $version });
    ok version_seen($version), "$what: it works";
    ok wait_for(sub { feeds() == 1 }, 3), "$what: there is one";
}

# What happens, and how long nobody has the feed.
sub handed_over ($what, $limit, $act, $old = {}) {
    my $from  = $t->log_size;
    my $start = time;
    $act->();
    my $pid  = next_holder($from, $old);
    my $took = time - $start;

    diag sprintf '%s: %.2f s', $what, $took;
    cmp_ok $took, '<', $limit, "$what: another worker has it";

    return $pid;
}


my $holder = next_holder(0);
ok grep({ $_ == $holder } $nginx->children), 'a worker has the feed';
works('start');

subtest 'killed' => sub {
    $t->allow_log(qr/worker process \d+ exited on signal 9/);

    for (1 .. 3) {
        my $new = handed_over('killed', 2.5, sub { kill KILL => $holder });
        isnt $new, $holder, 'it is another one';
        $holder = $new;
    }
    works('killed');
};

subtest 'stopped' => sub {
    my $old = $holder;

    $holder = handed_over('stopped', 4, sub { kill STOP => $old });
    isnt $holder, $old, 'it is another one';

    my $from = $t->log_size;
    kill CONT => $old;
    ok wait_for(sub { feeds() == 1 }, 3), 'the old one gives way';
    sleep 1.5;
    is scalar(feeds()), 1, 'and does not come back';
    unlike substr($t->log, $from), qr/\[warn\].*consent feed/,
        'which is nothing to tell';
    works('stopped');
};

subtest 'quit' => sub {
    my $old = $holder;

    $holder = handed_over('quit', 2.5, sub { kill QUIT => $old });
    isnt $holder, $old, 'it is another one';
    works('quit');
};

subtest 'terminated' => sub {
    $holder = handed_over('terminated', 2.5, sub { kill TERM => $holder });
    works('terminated');
};

subtest 'a reload' => sub {
    # A client that keeps an old worker waiting for its request.
    my $slow = $t->http;
    $slow->send_raw("GET / HTTP/1.1\r\nHost: localhost\r\n");

    for my $n (1 .. 10) {
        my %old = map { $_ => 1 } $nginx->children;

        $holder = handed_over("reload $n", 2, sub { $nginx->signal('HUP') },
            \%old);
        ok $holder, 'a new worker has it';
        ok wait_for(sub { !grep { $old{$_} } $nginx->children }),
            'the old ones leave';
    }
    works('reload');
};

subtest 'Redis goes while workers come and go' => sub {
    $redis->stop;

    for (1 .. 3) {
        my ($worker) = $nginx->children;
        kill KILL => $worker;
        ok wait_for(sub { 4 == $nginx->children }), 'a new worker';
        sleep 0.3;
    }
    ok $t->reload($site), 'a reload';

    my $from = $t->log_size;
    $redis->start;
    ok $holder = next_holder($from), 'the feed is up again';
    works('Redis');
};

unlike $t->log, qr/open socket/, 'no socket was left open';

$t->done;
