use v5.36;

# "write_replicas": an answer is acknowledged when a replica has it, and said
# to be sent again when that cannot be told. Lookups know nothing of it.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

use constant { WAIT => 0.4, SLACK => 1.5 };

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $OLD = 'fedcba9876543210' x 4;
$t->key_file('subject ' . '0123456789abcdef' x 4, "subject-previous $OLD",
    'sign k1 ' . 'fedcba9876543210' x 4);

my $master = $t->redis(port => $t->port('master'), config => {
    'repl-diskless-sync-delay' => 0 });

sub replica ($name) {
    return $t->redis(port => $t->port($name),
        dir => $t->dir . "/redis-$name", socket => "$t->{sockets}/$name.sock",
        config => { replicaof => '127.0.0.1 ' . $t->port('master'),
            'repl-diskless-sync-delay' => 0 });
}

my $replica = replica('replica');

# A replica has everything, and says so.
sub in_step () {
    $master->cmd('SET', 'step', 1);
    return $master->cmd('WAIT', 1, 15_000) >= 1;
}

sub site ($setting, %options) {
    my $consent = ConsentGate::Test::consent_block()
        =~ s/%%REDIS%%/127.0.0.1:%%PORT_master%%/r
        =~ s/^\s+(?:write_)?timeout .*\n//mgr
        =~ s/(?=connect_timeout)/timeout 1s; write_timeout 3s; $setting /r;

    # as on TLS: or what a visitor has said is not carried over
    return flow_site(
        http => 'consent_visitor_cookie __Host-consent secure=on;',
        server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r;
}

my $SETTING = 'write_replicas 1 ' . 1000 * WAIT . 'ms;';
my $nginx = $t->nginx(site($SETTING));

sub account ($name) {
    return $t->script('DE', headers => ['X-Real-IP' => address_of('DE'),
        'X-Test-Account' => $name]);
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

sub events_of ($name, $redis = $master) {
    my $subject = key_of(account => $name)->{name};
    return grep { $_->{subject} eq $subject } events($redis);
}

sub accept_form ($state) {
    return ['POST', '/consent/accept', ['Content-Type' => 'application/json'],
        JSON::PP->new->encode({ token => $state->{token},
            documents => $state->{missing} })];
}

# Answers of so many accounts at once: their statuses, and how long it took.
sub answers ($prefix, @n) {
    my @requests = map {
        my $who = "$prefix$_";
        my $request = accept_form(account($who)->get('/consent/state')->json);
        push @{ $request->[2] }, 'X-Test-Account' => $who;
        $request;
    } @n;

    my ($began, %statuses) = (time);
    $t->script('DE')->concurrent(scalar @n, sub { shift @requests },
        sub ($response, $) { $statuses{ $response && $response->status }++ });

    return (\%statuses, time - $began);
}


subtest 'with a replica' => sub {
    ok in_step, 'which is in step';
    my $before = $master->calls('wait');

    for my $n (1 .. 50) {
        my $name = "anna$n";
        my $http = account($name);
        my $state = $http->get('/consent/state')->json;
        my $r = answer_as_script($http, state => $state);

        # asked right after the answer, without waiting for anything
        my $there = $replica->cmd('HGET', key_of(account => $name)->{record},
            'd.terms');
        next if $r->status == 200 && ($there // '') eq '1';
        is $r->status, 200, "$name is told that it is taken";
        is $there, 1, 'and the replica has it by then';
    }

    is scalar(events($replica)), 50, 'it has all the events';
    is $master->calls('wait') - $before, 50, 'each was waited for';
};


subtest 'many at once' => sub {
    my $before = $master->calls('wait');
    my ($statuses, $took) = answers('many', 1 .. 200);

    is_deeply $statuses, { 200 => 200 }, 'all are taken';
    is scalar(grep { $_->{subject} } events($replica)), 250, 'and there';
    cmp_ok $master->calls('wait') - $before, '<', 200,
        'one WAIT is for many';
};


subtest 'a replica that is silent' => sub {
    my $http  = account('bert');
    my $state = $http->get('/consent/state')->json;
    my $from  = $t->log_size;

    ok in_step, 'after it was in step';
    $replica->freeze;

    for my $time ('an answer', 'the same one again') {
        my $began = time;
        my $r = answer_as_script($http, state => $state);

        is $r->status, 503, "$time is not acknowledged";
        is $r->header('Retry-After'), 5, 'and can be sent again';
        cmp_ok time - $began, '<', WAIT + SLACK, 'soon';
    }

    ok $t->wait_for_log(
        qr/\[error\].*: answers are on 0 replicas, .*"write_replicas".* 1/,
        from => $from), 'a line says why';
    ok $t->wait_for_log(qr/an answer was not acknowledged: too few replicas/,
        from => $from), 'and whose';

    is reason($http), 'accepted', 'the master has it';
    is scalar(events_of('bert')), 1, 'once';

    my @again = map {
        answer_as_script($http, what => 'residence', residence => 'DE')->status
    } 1, 2;
    is_deeply \@again, [503, 503], 'nor is what changes nothing acknowledged';
    is scalar(events_of('bert')), 2, 'and written once';

    my ($statuses, $took) = answers('slow', 1 .. 100);
    is_deeply $statuses, { 503 => 100 }, 'a hundred are not';
    cmp_ok $took, '<', 3 * WAIT + SLACK, 'at once, and not one by one';

    $replica->thaw;

    ok wait_for(sub { answer_as_script($http, what => 'residence',
        residence => 'DE')->status == 200 }), 'it is back: this is taken';
    is $replica->cmd('HGET', key_of(account => 'bert')->{record}, 'rev'), 2,
        'and there';
    is scalar(events_of('bert', $replica)), 2, 'with what was before it';
};


subtest 'lookups do not wait' => sub {
    put_record($master, 'clara', { map { ("d.$_" => 1) }
        qw(terms privacy cookies) });
    my $clara = account('clara');
    is reason($clara), 'accepted', 'somebody who has accepted';

    my $http = account('dora');
    my $request = accept_form($http->get('/consent/state')->json);

    ok in_step, 'all is well';
    $replica->freeze;
    $http->send_raw($http->format_request(@$request));
    ok wait_for(sub { $master->cmd('CLIENT', 'LIST') =~ /cmd=wait/ }),
        'while Redis waits for a replica';

    my ($began, $worst) = (time, 0);

    while ($master->cmd('CLIENT', 'LIST') =~ /flags=b.*cmd=wait/) {
        my $asked = time;
        reason($clara) eq 'accepted' or fail 'a lookup';
        my $took = time - $asked;
        $worst = $took if $worst < $took;
    }

    cmp_ok $worst, '<', WAIT / 2, 'lookups are answered';
    is $http->read_response('POST')->status, 503, 'and then the answer';
    $replica->thaw;
};


subtest 'a pause for writes does not hold up lookups' => sub {
    my $clara = account('clara');
    my $http  = account('emil');
    my $request = accept_form($http->get('/consent/state')->json);

    ok in_step, 'all is well';
    is $master->cmd('CLIENT', 'PAUSE', 600, 'WRITE'), 'OK', 'a pause';
    $http->send_raw($http->format_request(@$request));

    my ($n, $worst) = (0, 0);

    for (1 .. 50) {
        my $asked = time;
        $n++ if reason($clara) eq 'accepted';
        my $took = time - $asked;
        $worst = $took if $worst < $took;
    }

    is $n, 50, 'lookups are answered';
    cmp_ok $worst, '<', 0.3, 'at once';
    is $http->read_response('POST')->status, 200, 'the answer after it';
};


subtest 'who does not wait for the answer' => sub {
    my $http = account('frida');
    my $request = accept_form($http->get('/consent/state')->json);

    ok in_step, 'all is well';
    $replica->freeze;
    $http->send_raw($http->format_request(@$request));
    ok wait_for(sub { $master->cmd('CLIENT', 'LIST') =~ /flags=b.*cmd=wait/ }),
        'it is waited for';
    $http->close;
    $replica->thaw;

    ok wait_for(sub { events_of('frida', $replica) == 1 }),
        'it is recorded all the same';
    is answer_as_script(account('gustav'))->status, 200,
        'and the next one is served';
};


subtest 'a reload in the meantime' => sub {
    ok $t->reload(site('write_replicas 1 2500ms;')), 'with time for it';

    my $http = account('hanna');
    my $request = accept_form($http->get('/consent/state')->json);

    ok in_step, 'all is well';
    $replica->freeze;
    $http->send_raw($http->format_request(@$request));
    ok wait_for(sub { $master->cmd('CLIENT', 'LIST') =~ /flags=b.*cmd=wait/ }),
        'it is waited for';
    ok $nginx->reload, 'a reload';
    $replica->thaw;
    is $http->read_response('POST')->status, 200, 'the old worker answers';
    ok $t->reload(site($SETTING)), 'as before';
};


subtest 'a record that moves' => sub {
    my $key = key_of(account => 'ida');
    my $old = key_of(account => 'ida', key => pack('H*', $OLD));
    $master->cmd('HSET', $old->{record}, k => $old->{check}, rev => 1,
        'd.terms' => 1);

    my $http = account('ida');
    my $state = $http->get('/consent/state')->json;
    is_deeply $state->{missing}, [qw(privacy cookies)], 'is found';

    ok in_step, 'all is well';
    $replica->freeze;
    is answer_as_script($http, state => $state)->status, 503,
        'a replica may lack it';
    is $master->cmd('EXISTS', $key->{record}), 1, 'it has moved';
    is $master->cmd('EXISTS', $old->{record}), 1, 'and is kept where it was';
    $replica->thaw;

    ok wait_for(sub { answer_as_script($http, state => $state)->status
        == 200 }), 'the same answer is taken';

    $master->cmd('DEL', $key->{record});
    $master->cmd('HSET', $old->{record}, rev => 2);
    is answer_as_script($http)->status, 200, 'another one';
    ok wait_for(sub { !$master->cmd('EXISTS', $old->{record}) }),
        'it is gone from there when a replica has the new one';
};


subtest 'a record that is erased where it was' => sub {
    my $old = key_of(account => 'nora', key => pack('H*', $OLD));
    $master->cmd('HSET', $old->{record}, k => $old->{check}, rev => 1,
        'd.terms' => 1);

    my $http = account('nora');
    my $state = $http->get('/consent/state')->json;
    ok in_step, 'all is well';
    $replica->freeze;
    is answer_as_script($http, what => 'erase', state => $state)->status, 503,
        'a replica may still have it';
    $replica->thaw;

    ok wait_for(sub { answer_as_script($http, what => 'erase',
        state => $state)->status == 200 }), 'the same form is taken';
    is $replica->cmd('EXISTS', $old->{record}), 0, 'and it is gone there';
};


subtest 'a visitor becomes an account' => sub {
    my $browser = $t->browser('DE');
    my @before = events($master);
    is answer($browser)->status, 303, 'a visitor has accepted';

    my %known = map { $_->{subject} => 1 } @before;
    my ($new) = grep { !$known{$_} } map { $_->{subject} } events($master);
    my ($visitor) = grep { /\Q$new\E$/ } $master->keys('gc:s:*');

    ok in_step, 'all is well';
    $replica->freeze;
    my $r = $browser->get('/', 'X-Test-Account' => 'jakob');
    like $r->header('Consent-Gate'), qr/^page/,
        'logs in while the replica is silent';
    is $master->hash($visitor)->{'d.terms'}, 1,
        'what the visitor has said is still there';
    $replica->thaw;
};


subtest 'the master becomes a replica in the meantime' => sub {
    my $http = account('karl');
    my $request = accept_form($http->get('/consent/state')->json);
    my $from = $t->log_size;

    ok in_step, 'all is well';
    $replica->freeze;
    $http->send_raw($http->format_request(@$request));
    ok wait_for(sub { $master->cmd('CLIENT', 'LIST') =~ /flags=b.*cmd=wait/ }),
        'it is waited for';
    is $master->cmd('REPLICAOF', '127.0.0.1', $replica->port), 'OK',
        'another one is to be the master';
    is $http->read_response('POST')->status, 503, 'it is not acknowledged';
    is $master->cmd('REPLICAOF', 'NO', 'ONE'), 'OK', 'and back';
    $replica->thaw;
    ok in_step, 'in step again';
    ok wait_for(sub { answer_as_script(account('lea'))->status == 200 }),
        'and answers are taken';
};


subtest 'two replicas, one is there' => sub {
    ok $t->reload(site('write_replicas 2;')), 'two are asked for';
    my $http = account('mia');
    my $state = $http->get('/consent/state')->json;
    is answer_as_script($http, state => $state)->status, 503,
        'an answer is not acknowledged';
    ok $t->wait_for_log(qr/answers are on 1 replicas, and "write_replicas"/),
        'the log says how many have it';
    replica('second');
    ok wait_for(sub { answer_as_script($http, state => $state)->status
        == 200 }, 15), 'then there are two';
};

$t->done;
