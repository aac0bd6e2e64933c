use v5.36;

# Redis is down, comes back, or will not have us: requests have an answer at
# once, the log says what is wrong, and not a word more.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Resp;
use ConsentGate::Test;

use constant SOON => 2.5;       # seconds: the machine may be busy

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

# A site of its own on a port of its own: server is where Redis is, more goes
# into consent_store.
sub site ($name, $server, $more = '') {
    my $consent = ConsentGate::Test::consent_block()
        =~ s/%%REDIS%%;/$server; $more/r;
    $consent =~ s/^\s+(?:username|password_file) .*\n//mg if $name =~ /auth/;
    $consent =~ s/^\s+(?:write_)?timeout .*\n//mg if $more =~ /timeout/;

    local $t->{ports}{''} = $t->port($name);

    my $nginx = $t->nginx(flow_site(
        server => 'consent_subject $http_x_test_account;
            location /closed/ { consent_on_error closed; }')
        =~ s/%%CONSENT%%/$consent/r);

    return ($nginx, $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => 'anna']));
}

# Outcome, reason and what became of the lookup.
sub told ($r) {
    return $r->header('Consent-Gate')
        =~ /^(\w+); reason=(\w+);.* record=(\w+)/ ? "$1 $2 $3" : 'nothing';
}

sub state_of ($http) { return told($http->get('/')) }

sub lines ($nginx, $pattern) {
    return scalar grep { /$pattern/ } split /\n/, slurp($nginx->{log});
}

# Lines about the store that somebody should see.
sub complaints ($nginx) {
    return lines($nginx, qr/\[(?:warn|error)\].* consent store/);
}


subtest 'down from the start' => sub {
    my $redis = $t->redis(port => $t->port('redis'));
    my $port = $t->port('redis');
    $redis->stop;
    my ($nginx, $http) = site('start', "127.0.0.1:$port");

    my $began = time;
    is state_of($http), 'pass store_down failed', 'open by default';
    my $r = $http->get('/closed/');
    is $r->status, 503, 'or closed';
    is $r->header('Retry-After'), 5, 'with Retry-After';
    is told($r), 'unavailable store_down failed', 'and why';
    is $r->json->{type}, 'urn:consent-gate:unavailable', 'as a problem';
    $r = $t->browser('DE', port => $t->port('start'),
        headers => ['X-Test-Account' => 'anna'])->get('/closed/');
    is $r->status, 503, 'or as a page';
    like $r->header('Content-Type'), qr{^text/html}, 'for a navigation';
    state_of($http) for 1 .. 200;
    cmp_ok time - $began, '<', 5, 'nobody waits';

    my $state = $http->get('/consent/state');
    is $state->status, 200, 'the state is told';
    is $state->json->{reason}, 'store_down', 'as it is';
    $r = answer_as_script($http, state => { %{ $state->json },
        missing => [qw(terms privacy cookies)] });
    is $r->status, 503, 'an answer cannot be recorded';
    is $r->header('Retry-After'), 5, 'and is to be sent again';

    my $stranger = $t->browser('DE', port => $t->port('start'));
    ok wait_for(sub {
        state_of($http);
        return state_of($stranger) eq 'pass store_down failed';
    }), 'a stranger, who could not answer, passes after some failures';
    is $stranger->get('/closed/')->status, 503, 'or does not';
    is $t->script('US', port => $t->port('start'))->get('/')->status, 200,
        'who is outside has nothing to do with it';

    cmp_ok complaints($nginx), '<=', 4, 'the log is quiet'
        or diag slurp($nginx->{log});
    like slurp($nginx->{log}),
        qr/\[error\].*consent store 127\.0\.0\.1:$port: connect\(\) failed/,
        'but says which and what';

    $redis->start;
    my $back = time;
    ok wait_for(sub { state_of($http) eq 'page missing absent' }), 'back';
    cmp_ok time - $back, '<', SOON, 'within a second, or a little more';
    is lines($nginx, qr/consent store .*: back after/), 1, 'one line of that';
    is answer_as_script($http)->status, 200, 'an answer is recorded';
    is state_of($http), 'pass accepted found', 'and holds';
};


subtest 'going down under traffic, and coming back' => sub {
    my $redis = $t->redis(socket => "$t->{sockets}/traffic.sock",
        dir => $t->dir . '/redis-traffic');
    my ($nginx, $http) = site('traffic', $redis->address);
    is answer_as_script($http)->status, 200, 'somebody has accepted';
    my %record = %{ $redis->hash(key_of(account => 'anna')->{record}) };

    for my $round (1 .. 3) {
        my ($n, $down, $up, $slowest, %seen) = (0, 0, 0, 0);
        my $log = $nginx->{log};
        my $before = complaints($nginx);

        $http->concurrent(16, sub {
            $n++;
            if ($n == 300) { $redis->stop('KILL'); $down = time; }
            if ($n == 900) {
                $redis->start;
                $redis->cmd('HSET', key_of(account => 'anna')->{record},
                    %record);
                $up = time;
            }
            return if $n > 900 && ($seen{back} || time - $up > 5);
            return ['GET', '/', []];
        }, sub ($r, $request) {
            my $told = $r ? told($r) : 'no answer';
            $seen{$told}++;
            $seen{back} //= time - $up if $up && $told =~ /found/;
        });

        my $back = delete $seen{back};
        is_deeply [sort keys %seen],
            ['pass accepted found', 'pass store_down failed'],
            'each request has an answer';
        ok $back, 'Redis is used again';
        cmp_ok $back // 9, '<', SOON, 'within a second, or a little more';
        cmp_ok complaints($nginx) - $before, '<=', 5, 'the log is quiet'
            or diag slurp($log);
    }

    is lines($nginx, qr/: back after/), 3, 'a line for each time it came back';
};


subtest 'frozen' => sub {
    my $redis = $t->redis(socket => "$t->{sockets}/frozen.sock",
        dir => $t->dir . '/redis-frozen');
    my ($patient, $one) = site('patient', $redis->address);
    is answer_as_script($one)->status, 200, 'somebody has accepted';
    my ($nginx, $http) = site('frozen', $redis->address,
        'timeout 100ms; write_timeout 300ms;');
    ok wait_for(sub { state_of($http) eq 'pass accepted found' }), 'and passes';

    $redis->freeze;
    my $slowest = 0;
    for (1 .. 20) {
        my $began = time;
        is state_of($http), 'pass store_down failed', 'no answer of Redis';
        $slowest = time - $began if time - $began > $slowest;
    }
    cmp_ok $slowest, '<', 0.6, 'is not waited for';
    cmp_ok complaints($nginx), '<=', 4, 'the log is quiet';
    $redis->thaw;
    my $back = time;
    ok wait_for(sub { state_of($http) eq 'pass accepted found' }), 'back';
    cmp_ok time - $back, '<', SOON, 'within a second, or a little more';
};


subtest 'passwords' => sub {
    my $redis = $t->redis(socket => "$t->{sockets}/auth.sock",
        dir => $t->dir . '/redis-auth', password => 'right',
        config => { requirepass => 'right' });
    $t->write_file('wrong.pass', "secret\n", 0600);
    $t->write_file('right.pass', "right\n", 0600);

    my ($nginx, $http) = site('noauth', $redis->address);
    is state_of($http), 'pass store_down failed', 'none';
    like slurp($nginx->{log}), qr/\[error\].*NOAUTH.*: set "password_file"/,
        'the log says what to do';
    state_of($http) for 1 .. 50;
    cmp_ok complaints($nginx), '<=', 4, 'and is quiet';

    ($nginx, $http) = site('auth-wrong', $redis->address,
        'password_file %%DIR%%/wrong.pass;');
    is state_of($http), 'pass store_down failed', 'a wrong one';
    like slurp($nginx->{log}), qr/\[error\].*WRONGPASS.*"password_file"/,
        'the log says what to do';
    unlike slurp($nginx->{log}), qr/secret/, 'and not the password';
    state_of($http) for 1 .. 50;
    cmp_ok complaints($nginx), '<=', 4, 'and is quiet';

    ($nginx, $http) = site('auth-right', $redis->address,
        'password_file %%DIR%%/right.pass;');
    is state_of($http), 'page missing absent', 'the right one';
};


subtest 'a replica' => sub {
    my $master = $t->redis(port => $t->port('master'),
        socket => "$t->{sockets}/master.sock", dir => $t->dir . '/redis-m');
    my $replica = $t->redis(socket => "$t->{sockets}/replica.sock",
        dir => $t->dir . '/redis-r',
        config => { replicaof => '127.0.0.1 ' . $t->port('master') });
    my ($nginx, $http) = site('replica', $replica->address);

    is state_of($http), 'pass store_down failed', 'is not the store';
    like slurp($nginx->{log}), qr/\[error\].*not a master but "slave"/,
        'the log says so';
    state_of($http) for 1 .. 50;
    cmp_ok complaints($nginx), '<=', 4, 'and is quiet';

    $replica->cmd('REPLICAOF', 'NO', 'ONE');
    ok wait_for(sub { state_of($http) eq 'page missing absent' }, 8),
        'until it is a master';
    is answer_as_script($http)->status, 200, 'that takes answers';

    # READONLY comes with the write: it was a master when we connected
    my $state = $http->get('/consent/state')->json;
    $replica->cmd('REPLICAOF', '127.0.0.1', $t->port('master'));
    is answer_as_script($http, state => $state, purposes => ['x'])->status,
        422, 'a mistake is told first';
    my $r = answer_as_script($http, state => $state);
    ok $r->status == 503 || $r->status == 200, 'nothing worse than a 503';
};


subtest 'loading' => sub {
    my $error = ConsentGate::Resp::Error->new(
        'LOADING Redis is loading the dataset in memory');
    my $fake = $t->fake(PING => ConsentGate::Fake::turns(($error) x 3, \'PONG'),
        HMGET => sub (@command) { [(undef) x (@command - 2)] },
        HGETALL => []);
    my ($nginx, $http) = site('loading', $fake->address);

    is state_of($http), 'pass store_down failed', 'is not ready';
    ok wait_for(sub { state_of($http) eq 'page missing absent' }),
        'until it is';
    like slurp($nginx->{log}), qr/LOADING/, 'the log says so';
    cmp_ok complaints($nginx), '<=', 4, 'and is quiet';
};


subtest 'out of memory' => sub {
    my $redis = $t->redis(socket => "$t->{sockets}/oom.sock",
        dir => $t->dir . '/redis-oom');
    my ($nginx, $http) = site('oom', $redis->address);
    my $bert = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => 'bert']);
    is answer_as_script($http)->status, 200, 'somebody has accepted';

    $redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
    is state_of($http), 'pass accepted found', 'reading goes on';
    my $state = $bert->get('/consent/state')->json;
    my $r = answer_as_script($bert, state => $state);
    is $r->status, 503, 'a write is refused';
    is $r->header('Retry-After'), 5, 'and is to be sent again';
    is $r->json->{type}, 'urn:consent-gate:unavailable', 'as a problem';
    like slurp($nginx->{log}), qr/\[error\].*OOM/, 'the log says why';
    is_deeply $redis->hash(key_of(account => 'bert')->{record}), {},
        'nothing is half written';
    is state_of($http), 'pass accepted found', 'reading still goes on';

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
    is answer_as_script($bert, state => $state)->status, 200,
        'the same answer is taken afterwards';
    cmp_ok complaints($nginx), '<=', 4, 'the log is quiet';
};


subtest 'keys that are not ours' => sub {
    my $redis = $t->redis(socket => "$t->{sockets}/keys.sock",
        dir => $t->dir . '/redis-keys');
    my ($nginx, $http) = site('keys', $redis->address);
    my $key = key_of(account => 'anna');
    my $bert = $http->clone(headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => 'bert']);
    is answer_as_script($bert)->status, 200, 'somebody has accepted';

    $redis->cmd('SET', $key->{record}, 'x');
    is state_of($http), 'pass store_down failed', 'a record of another type';
    is state_of($bert), 'pass accepted found', 'is nobody else\'s trouble';
    like slurp($nginx->{log}), qr/\[error\].*is not a hash/, 'the log says why';

    $redis->cmd('DEL', $key->{record});
    $redis->cmd('HSET', $key->{record}, k => 'deadbeef', 'd.terms' => 1,
        'd.privacy' => 1, 'd.cookies' => 1, rev => 1);
    is state_of($http), 'pass store_down failed',
        'the record of somebody else is not taken for one\'s own';
    ok wait_for(sub { state_of($bert) eq 'pass accepted found' }),
        'others are served';
    is state_of($http), 'pass store_down failed', 'it stays so';
    is state_of($bert), 'pass accepted found', 'for this one alone';
    like slurp($nginx->{log}), qr/\[error\].*another subject's/,
        'the log says why';
    my $state = $http->get('/consent/state')->json;
    isnt answer_as_script($http, state => { %$state, missing =>
        [qw(terms privacy cookies)] })->status, 200, 'nor written to';
    is $redis->hash($key->{record})->{k}, 'deadbeef', 'indeed';

    # what cannot be read is asked for again, and mended by the answer
    $redis->cmd('HSET', $key->{record}, k => $key->{check}, 'd.terms' => 'x');
    is state_of($http), 'page missing absent', 'a malformed record';
    is answer_as_script($http)->status, 200, 'is mended by an answer';
    is state_of($http), 'pass accepted found', 'and holds';

    # the events of a bucket
    $redis->cmd('FLUSHALL');
    $redis->cmd('SET', $key->{events}, 'x');
    is answer_as_script($http)->status, 503, 'a stream of another type';
    is_deeply $redis->hash($key->{record}), {}, 'nothing is half written';
};

$t->done;
