use v5.36;

# An answer is only taken while a replica has it, too, where Redis is told so:
# nothing that was acknowledged is lost with the master.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $master = $t->redis(port => $t->port('master'), config => {
    'min-replicas-to-write' => 1, 'repl-diskless-sync-delay' => 0,
    'repl-ping-replica-period' => 1 });

my $consent = ConsentGate::Test::consent_block()
    =~ s/%%REDIS%%/127.0.0.1:%%PORT_master%%/r;
$t->nginx(flow_site() =~ s/%%CONSENT%%/$consent/r);

my $browser = $t->browser('DE');
my $page    = show($browser);


subtest 'no replica' => sub {
    my $r = answer($browser, page => $page);

    is $r->status, 503, 'an answer is not taken';
    is $r->header('Retry-After'), 5, 'and can be sent again';
    ok $t->wait_for_log(
        qr/refused: "NOREPLICAS [^"]*": fewer .* "min-replicas-to-write"/),
        'one line says why';
    is scalar(events($master)), 0, 'nothing is written';
    is_deeply [$master->keys('gc:s:*')], [], 'nor half of it';
    is $browser->get('/')->status, 302, 'lookups go on';
};


my $replica = $t->redis(port => $t->port('replica'), config => {
    replicaof => '127.0.0.1 ' . $t->port('master'),
    'repl-diskless-sync-delay' => 0 });

subtest 'a replica' => sub {
    ok wait_for(sub { $master->cmd('INFO', 'replication')
        =~ /^min_slaves_good_slaves:1/m }), 'is there';
    is answer($browser, page => $page)->status, 303,
        'the same form is taken';
    is scalar(events($master)), 1, 'once';
    ok wait_for(sub { events($replica) == 1 }), 'there, too';
};


subtest 'the master is lost' => sub {
    $master->stop('KILL');
    is $replica->cmd('REPLICAOF', 'NO', 'ONE'), 'OK', 'the replica takes over';
    is $browser->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        && $1, 'receipt', 'meanwhile the receipt counts';

    ok $t->reload(flow_site() =~ s/%%CONSENT%%/$consent
        =~ s{PORT_master}{PORT_replica}r/er), 'its address is configured';
    ok wait_for(sub { $browser->get('/')->header('Consent-Gate')
        =~ /reason=accepted.*record=found/ }), 'what was answered is there';
    is_deeply [map { $_->{link} } events($replica)],
        [link_chain(events($replica))], 'and proved';
};

$t->done;
