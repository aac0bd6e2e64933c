use v5.36;

# A master that sentinels watch: it is found, and found again when another one
# takes its place. Nothing is written to a replica, and no answer is lost.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Load;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $group = $t->sentinel(replicas => 2, sentinels => 3);
my $consent = $group->consent(
    'timeout 100ms; write_timeout 1s; write_replicas 1;');

my $nginx = $t->nginx(load_site($consent), workers => 2);
my $load = ConsentGate::Load->new(test => $t, store => $group);

# Who has been the master.
my %been;

sub remember () { return $been{ $group->master->port } = 1 }

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}


subtest 'the master is found' => sub {
    my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);

    remember;
    is reason($http), 'missing', 'somebody new';
    is answer_as_script($http)->status, 200, 'accepts';
    is reason($http), 'accepted', 'and has accepted';
    is scalar(events($group)), 1, 'an event';

    $load->check($load->during(1, sub { }));

    my $status = $t->get('/status')->json;
    is $status->{topology}, 'sentinel', 'the status tells the topology';
    is_deeply [map { $_->{address} } @{ $status->{nodes} }],
        ['127.0.0.1:' . $group->master->port], 'and the master';
};


subtest 'a planned failover' => sub {
    my $old = $group->master;
    my $from = $t->log_size;

    # or the old master would take answers that the new one never hears of
    my $seen = $load->during(3, sub {
        $old->cmd('CLIENT', 'PAUSE', 10_000, 'WRITE');
        $group->failover;
    }, sub { $group->master == $old });

    isnt $group->master, $old, 'there is another master';
    remember;
    $load->check($seen);
    cmp_ok $load->window($seen), '<', 10, 'the store was away for seconds';
    ok $t->wait_for_log(qr/\[notice\].*the master of "consent" is .*, was /,
        from => $from), 'the log says so';
    $group->wait_ok;
};


subtest 'the master is killed' => sub {
    my $old = $group->master;

    my $seen = $load->during(3, sub { $old->stop('KILL') },
        sub { $group->master == $old });

    isnt $group->master, $old, 'there is another master';
    remember;
    $load->check($seen);
    cmp_ok $load->window($seen), '<', 15, 'the store was away for seconds';

    # it comes back, and is made a replica
    $old->start;
    $group->wait_ok;
    $load->check($load->during(1, sub { }));
};


subtest 'the master falls silent' => sub {
    my $old = $group->master;

    my $seen = $load->during(3, sub { $old->freeze },
        sub { $group->master == $old });

    isnt $group->master, $old, 'there is another master';
    remember;
    $load->check($seen);
    cmp_ok $load->window($seen), '<', 15, 'the store was away for seconds';

    $old->thaw;
    $load->check($load->during(2, sub { }));
    $group->wait_ok;
};


subtest 'a sentinel that does not answer' => sub {
    my ($silent) = grep { $_->pid } $group->watchers;
    $silent->freeze;

    # whichever is asked, an answer comes within a lookup's second
    my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);

    for (1 .. 4) {
        $group->master(($group->watchers)[1])
            ->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        my $began = time;
        ok wait_for(sub { reason($http) eq 'accepted' }), 'the next one does';
        cmp_ok time - $began, '<', 2, 'soon';
    }

    $silent->thaw;
};


subtest 'no sentinel at all' => sub {
    my $master = $group->master;
    my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);

    ok wait_for(sub {
        reason($http->clone);
        2 == (() = $master->cmd('CLIENT', 'LIST') =~ /name=consent-gate /g);
    }, 15), 'both workers are connected';

    $_->freeze for $group->watchers;

    my $from = $t->log_size;

    is reason($http), 'accepted', 'nobody needs them';
    $master->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    ok wait_for(sub { reason($http) eq 'accepted' }, 10),
        'the last master is tried again';
    ok $t->wait_for_log(qr/\[error\].*no sentinel tells the master/,
        from => $from), 'the log says so';

    $_->thaw for $group->watchers;
};


subtest 'replicas were not written to' => sub {
    for my $node (grep { !$been{ $_->port } } $group->nodes) {
        is $node->calls('evalsha') + $node->calls('eval'), 0,
            'no script was run on one that never was the master';
    }
    unlike $t->log, qr/READONLY/, 'none was tried';
};


subtest 'sentinels with a password' => sub {
    my $pass = $t->write_file('sentinel.pass', "watch\n", 0600);
    my ($watcher) = $group->watchers;
    $watcher->cmd('ACL', 'SETUSER', 'default', 'on', '>watch');
    delete $watcher->{client};

    local $t->{ports}{''} = $t->port('auth');
    my $site = sub ($more) {
        load_site($group->consent($more, $watcher))
    };

    my $refused = $t->nginx($site->(''), name => 'nginx-noauth');
    my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);
    is reason($http), 'store_down', 'not without it';
    like slurp($refused->{log}),
        qr/\[error\].*no sentinel tells the master.*sentinel_password_file/,
        'the log says what to do';
    $refused->stop;

    $t->nginx($site->("sentinel_password_file $pass;"), name => 'nginx-auth');
    ok wait_for(sub { reason($http) eq 'accepted' }), 'but with it';

    @$watcher{qw(user password)} = ('default', 'watch');
};

$t->done;
