use v5.36;

# A backup of Redis brings back what was answered: by the commands of
# docs/operations.md.

use lib 't/lib';
use File::Path qw(make_path remove_tree);
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $redis = $t->redis(config => { appendonly => 'yes', appendfsync =>
    'always' });
my $data   = $redis->{dir};
my $backup = $t->dir . '/consent.rdb';

$t->nginx(flow_site());

# As a shell would run it.
sub run ($command) {
    my $output = qx{$command 2>&1};
    is $?, 0, $command =~ s/\S*\/(?=\w)//gr or diag $output;
    return;
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

my ($before, $after) = map { $t->browser('DE') } 1, 2;

$t->publish(terms => { version => 3, required => 3 });
ok wait_for(sub {
    $t->http->get('/consent/state')->json->{documents}[0]{version} == 3
}, 15), 'a policy';
is answer($before)->status, 303, 'an answer';
my @events = events($redis);

run("redis-cli -s @{[ $redis->socket ]} --rdb $backup");

is answer($after)->status, 303, 'and one after the backup';
is reason($_), 'accepted', 'both are known' for $before, $after;


# All is lost.

$redis->stop('KILL');
remove_tree("$data/appendonlydir");

is reason($before), 'receipt', 'meanwhile the receipt counts';

# Redis reads an RDB file only when it is told that there is no AOF.

run("cp $backup $data/dump.rdb");
$redis->{config}{appendonly} = 'no';
$redis->start;
is $redis->cmd('CONFIG', 'SET', 'appendonly', 'yes'), 'OK', 'AOF again';
ok wait_for(sub { $redis->cmd('INFO', 'persistence')
    =~ /aof_rewrite_in_progress:0.*aof_last_bgrewrite_status:ok/s
    && -d "$data/appendonlydir" }), 'and it is written';

ok wait_for(sub { $before->get('/')->header('Consent-Gate')
    =~ /reason=accepted.*record=found/ }), 'the record is back';
is_deeply [map { $_->{mac} } events($redis)], [map { $_->{mac} } @events],
    'and its event';
is_deeply [map { $_->{link} } events($redis)], [link_chain(events($redis))],
    'the links hold';
is(ConsentGate::Ctl->new($t)->run('verify')->code, 0, 'and consentctl agrees');
ok wait_for(sub { $after->get('/')->header('Consent-Gate')
    =~ /record=absent/ }), 'what came after the backup is gone';
is $t->http->get('/consent/state')->json->{documents}[0]{version}, 3,
    'policies are those of the backup';

$redis->stop('KILL');
$redis->{config}{appendonly} = 'yes';
$redis->start;
ok wait_for(sub { $before->get('/')->header('Consent-Gate')
    =~ /reason=accepted.*record=found/ }), 'it is kept from now on';

$t->done;
