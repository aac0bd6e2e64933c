use v5.36;

# The rules of conf/redis/gate.acl are enough, and none is too much: each is
# taken away in turn, something then fails, and one line says what to grant.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record record_key);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $redis = $t->redis(config => { 'repl-diskless-sync-delay' => 0 },
    port => $t->port('redis'));
my $replica = $t->redis(config => { 'repl-diskless-sync-delay' => 0,
    replicaof => '127.0.0.1 ' . $redis->port });
my @RULES = ConsentGate::Redis::rules('gate');

# Written under another subject key, which becomes the previous one.
my $OLD = 'fedcba9876543210' x 4;
my @KEYS = ('subject ' . '0123456789abcdef' x 4, "subject-previous $OLD",
    'sign k1 ' . 'fedcba9876543210' x 4);
$t->key_file(@KEYS);

my $consent = ConsentGate::Test::consent_block()
    =~ s/(?=connect_timeout)/database 1; write_replicas 1; /r;

sub start ($name) {
    local $t->{ports}{''} = $t->port($name);

    my $nginx = $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => "nginx-$name");

    return ($nginx, $t->script('DE', port => $t->port($name)));
}

sub complaints ($nginx) {
    return grep { !/asking again/ }     # a field that cannot be read
        grep { /\[(?:warn|error)\].* consent (?:store|feed)/ }
        split /\n/, slurp($nginx->{log});
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

# Everything that a gate does with Redis, for an account of its own. Returns
# what did not work.
sub everything ($nginx, $http, $name) {
    my @failed;

    my $fail = sub ($what, $ok = 0) { push @failed, $what if !$ok };

    $redis->cmd('SELECT', 1);
    $redis->cmd('FLUSHDB');

    # what cannot be read is removed; what is under the old key moves
    my $account = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => "junk-$name"]);
    put_record($redis, "junk-$name", { 'd.terms' => 'junk' });

    my $moving = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => "old-$name"]);
    my $old = key_of(account => "old-$name", key => pack('H*', $OLD));
    $redis->cmd('HSET', $old->{record}, k => $old->{check}, rev => 1,
        'd.terms' => 1);

    $redis->cmd('HSET', 'gc:p', 'terms', 'version=3 required=1');

    wait_for(sub { slurp($nginx->{log}) =~ /consent feed.*(?:: up|is refused)/
        || complaints($nginx) });
    $fail->('feed', wait_for(sub {
        slurp($nginx->{log}) =~ /consent feed.*: up/ }, 2));

    $redis->cmd('HSET', 'gc:p', 'terms', 'version=2 required=1');

    $fail->('policies', wait_for(sub {
        my $state = eval { $http->get('/consent/state')->json } or return;
        ($state->{documents}[0]{version} // 0) == 2;
    }, 1));

    $fail->('lookup', reason($account) eq 'missing');

    for ([write => $account], [move => $moving]) {
        my ($what, $who) = @$_;
        my $r = eval { answer_as_script($who) };
        $fail->($what, $r && $r->status == 200);
    }

    $fail->('record', $redis->cmd('TTL', record_key("junk-$name")) > 0);
    my @events = events($redis);
    $fail->('event', @events > 0);
    $fail->('old record', wait_for(sub {
        !$redis->cmd('EXISTS', $old->{record})
    }, 1));

    # a Redis that has forgotten the script
    $redis->cmd('SCRIPT', 'FLUSH', 'SYNC');
    my $other = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => "other-$name"]);
    my $r = eval { answer_as_script($other) };
    $fail->('write after SCRIPT FLUSH', $r && $r->status == 200);

    my ($client) = grep { /user=gate/ } split /\n/,
        $redis->cmd('CLIENT', 'LIST');
    $fail->('name', $client && $client =~ /name=consent-gate/);

    $redis->cmd('SELECT', 0);

    return @failed;
}


ok wait_for(sub { $redis->cmd('INFO', 'replication') =~ /state=online/ }),
    'there is a replica';


subtest 'all of them' => sub {
    my ($nginx, $http) = start('all');

    is_deeply [everything($nginx, $http, 'all')], [], 'everything works';
    is_deeply [complaints($nginx)], [], 'and nothing is refused';
    $nginx->stop;
};


subtest 'the password changes' => sub {
    my ($nginx, $http) = start('password');
    my $account = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => 'password']);
    my $path = $t->dir . '/gate.pass';

    ok wait_for(sub { reason($account) eq 'missing' }), 'the old one';

    is $redis->cmd('ACL', 'SETUSER', 'gate', '>another-secret'), 'OK',
        'a second password';
    $t->write_file('gate.pass', "another-secret\r\n", 0600);
    ok $nginx->reload, 'a reload';
    is $redis->cmd('ACL', 'SETUSER', 'gate',
        "<$ConsentGate::Redis::USER{gate}"), 'OK', 'the old one goes';
    $redis->cmd('CLIENT', 'KILL', 'USER', 'gate');
    ok wait_for(sub { reason($account) eq 'missing' }), 'the new one';
    is_deeply [grep { /WRONGPASS/ } complaints($nginx)], [],
        'the file was read again';

    unlike slurp($nginx->{log}), qr/readable by others/, 'no warning';
    chmod 0644, $path;
    ok $nginx->reload, 'another reload';
    like slurp($nginx->{log}), qr/\[warn\] .*gate\.pass" is readable by others/,
        'a file that others read';
    unlike slurp($nginx->{log}), qr/another-secret/, 'which is in no log';

    $nginx->stop;
};


subtest 'a wrong password is mended by a reload' => sub {
    my ($port, $name) = ($t->port('mended'), 'mended');
    my $server = $t->redis(port => $t->port('mendedredis'));
    $t->write_file('mended.pass', "wrong\n", 0600);

    local $t->{ports}{''} = $port;
    my $mended = $consent =~ s/%%REDIS%%/127.0.0.1:%%PORT_mendedredis%%/r
        =~ s/%%PASSWORD%%/%%DIR%%\/mended.pass/r;
    my $nginx = $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$mended/r, name => 'nginx-mended');
    my $http = $t->script('DE', port => $port, headers =>
        ['X-Real-IP' => address_of('DE'), 'X-Test-Account' => 'mended']);

    ok $t->wait_for_log(qr/WRONGPASS/, nginx => $nginx), 'it is wrong';

    # the breaker opens sooner when nobody is there
    $server->stop;
    ok wait_for(sub {
        reason($http);
        slurp($nginx->{log}) =~ /not asked until it is back/;
    }, 20), 'nobody is asked any more';
    my $from = -s $nginx->{log};
    $server->start;
    ok $t->wait_for_log(qr/WRONGPASS/, nginx => $nginx, from => $from,
        timeout => 10), 'it is tried, and still wrong';

    $t->write_file('mended.pass', $ConsentGate::Redis::USER{gate}, 0600);
    ok $nginx->reload, 'a reload';
    ok wait_for(sub { reason($http) eq 'missing' }, 2),
        'is tried at once, not after five seconds';

    $nginx->stop;
};


# What each rule is for, when it is not there: what fails, and what the line
# says to grant, if it is not that rule. Redis does not say which command of a
# script it was.
my %FAILS = (
    '~gc:*'     => [qr/lookup.*write/],
    '&__redis__:invalidate' => [qr/feed/],
    '+select'   => [qr/lookup.*write/],
    '+role'     => [qr/lookup.*write/],
    '+ping'     => [qr/feed/],
    '+client|setname'  => [qr/^name$/],
    '+client|id'       => [qr/feed/],
    '+client|tracking' => [qr/feed/],
    '+subscribe'       => [qr/feed/],
    '+script|load'     => [qr/^$/],
    '+hmget'    => [qr/lookup/],
    '+hgetall'  => [qr/policies/],
    '+evalsha'  => [qr/write.*move/],
    '+eval'     => [qr/^write after SCRIPT FLUSH$/],
    '+xrevrange' => [qr/write.*record.*event/],
    '+xadd'     => [qr/write.*record.*event/],
    '+hset'     => [qr/write.*move/],
    '+hdel'     => [qr/^write record/],
    '+expire'   => [qr/write.*record/],
    '+unlink'   => [qr/^old record$/],
    '+wait'     => [qr/^write move old record write after/],
);

my @grants = grep { /^[+~&]/ } @RULES;

is_deeply [sort @grants], [sort keys %FAILS], 'the rules are these';

my $n = 0;

for my $rule (@grants) {
    subtest "without $rule" => sub {
        my $name = 'rule' . ++$n;
        my $less = $rule =~ s/^\+/-/r;
        $less = 'resetkeys'     if $rule =~ /^~/;
        $less = 'resetchannels' if $rule =~ /^&/;

        $redis->cmd('ACL', 'SETUSER', 'gate', 'reset', 'on',
            ">$ConsentGate::Redis::USER{gate}", @RULES, $less);

        my ($nginx, $http) = start($name);
        my $failed = join ' ', everything($nginx, $http, $name);

        like $failed, $FAILS{$rule}[0], 'this fails';

        my @lines = complaints($nginx);
        ok scalar(grep { /NOPERM|executing the script can't|ACL failure/
            && /ACL SETUSER gate.*\Q $rule\E/ } @lines),
            'a line says what to grant' or diag join "\n", @lines;
        cmp_ok scalar @lines, '<=', 8, 'in few lines' or diag @lines;

        $nginx->stop;
    };
}

$t->done;
