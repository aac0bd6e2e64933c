use v5.36;

# What was accepted is taken back in one step, and stays so: for every gate, for
# old forms, and while Redis is away.

use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;
$t->publish(
    terms   => { version => 20180525, required => 20180525 },
    privacy => { version => 7, required => 7 },
    cookies => { version => 3, required => 3 },
);

my $site = flow_site(
    http   => 'consent_purpose hosting necessary; consent_purpose analytics;'
        . ' consent_purpose support;',
    server => <<'CONF',
        consent_subject $http_x_test_account;
        location /ads/ { consent_require_purpose analytics; alias %%ROOT%%/; }
CONF
);

$t->nginx($site);

my $redis = $t->redis;

sub account ($name, %options) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name], %options);
}

sub reason ($r) { return $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '' }

sub record_of ($name) {
    return $redis->hash(key_of(account => $name)->{record});
}

sub withdraw ($http, %options) {
    return answer($http, what => 'withdraw', document => [], %options);
}


subtest 'a visitor takes back' => sub {
    my $browser = $t->browser('DE');
    is answer($browser, purpose => 'analytics')->status, 303, 'has accepted';
    is $browser->get('/')->status, 200, 'and passes';
    is $browser->get('/ads/index.html')->status, 200, 'to the purpose, too';

    my ($key) = $redis->keys('gc:s:*');
    $redis->cmd('HSET', $key, 'd.gone', 4, 'p.gone', 1, 'age', 'ok:16',
        'res', 'US', 'eea', 20000);

    my $r = withdraw($browser, query => 'return=/bye');
    is $r->status, 303, 'takes it back';
    is $r->location, '/bye', 'and is brought back';
    is $r->header('Cache-Control'), 'no-store', 'not stored';

    is_deeply $redis->hash($key), {
        'p.analytics' => 0, 'p.support' => 0, 'p.gone' => 0, rev => 2,
        ev => (events($redis))[1]{id}, k => $redis->hash($key)->{k},
        age => 'ok:16', res => 'US', eea => 20000,
    }, 'every document is gone, every purpose refused, the rest as it was';

    $r = $browser->get('/');
    is $r->status, 302, 'the very next request is asked';
    is reason($r), 'missing', 'as one who never answered';
    is $t->browser('US', jar => $browser->jar)->get('/ads/index.html')
        ->status, 403, 'the purpose is refused everywhere';

    my ($first, $event) = events($redis);
    is $event->{what}, 'withdraw', 'the event: what';
    is_deeply $event->{docs}, [{ name => 'terms', version => 20180525 },
        { name => 'privacy', version => 7 }, { name => 'cookies',
        version => 3 }], 'which documents, in which version';
    is_deeply $event->{purposes}, { analytics => 0, support => 0 },
        'which purposes';
    is $event->{method}, 'page', 'how';
    is $event->{prev}, $first->{id}, 'linked to the one before';
    is_deeply [map { $_->{mac} } $first, $event],
        [map { event_mac($_->{body}) } $first, $event], 'signed';
    is_deeply [map { $_->{link} } $first, $event],
        [link_chain($first, $event)], 'and chained';

    is answer($browser)->status, 303, 'may accept again';
    is $browser->get('/')->status, 200, 'and passes';
    is $redis->hash($key)->{'p.analytics'}, 0, 'what was refused stays so';
};


subtest 'as many steps as accepting' => sub {
    my $anna = account('anna');
    my $page = show($anna);
    is answer($anna, page => $page)->status, 303, 'the page, a POST';
    $page = show($anna);
    is withdraw($anna, page => $page)->status, 303, 'the page, a POST';
    ok !exists record_of('anna')->{'d.terms'}, 'and it is done';
};


subtest 'by JSON' => sub {
    my $bert = account('bert');
    answer($bert);
    my $state = $bert->get('/consent/state')->json;
    my $r = answer_as_script($bert, what => 'withdraw', state => $state);
    is_deeply $r->json, { result => 'written', rev => 2 }, 'is written';
    is_deeply answer_as_script($bert, what => 'withdraw', state => $state)
        ->json, { result => 'repeated', rev => 2 }, 'the same again is not';
    is_deeply answer_as_script($bert, what => 'withdraw')->json,
        { result => 'unchanged', rev => 2 }, 'nor is there anything left';
    is_deeply $bert->get('/consent/state')->json->{missing},
        [qw(terms privacy cookies)], 'the state says so';
};


subtest 'old tokens' => sub {
    my $carl = account('carl');
    my $first = show($carl);
    answer($carl, page => $first);
    my $middle = $carl->get('/consent/state')->json;
    withdraw($carl);

    for ([$first->{form_token}, $first->{missing}, 'the acceptance'],
        [$middle->{token}, '', 'the withdrawal'])
    {
        my ($token, $missing, $name) = @$_;
        my $r = answer_as_script($carl, state => { token => $token,
            missing => [split /,/, $missing] }, purposes => ['analytics']);
        is $r->status, 409, "one of before $name brings nothing back";
        my $page = { form_token => $token, return => '/',
            missing => $missing };
        is answer($carl, page => $page, purpose => 'support')->status, 409,
            'nor by a form';
        is $carl->get('/')->status, 302, 'still asked';
    }
    is scalar(grep { /^d\./ } keys record_of('carl')->%*), 0,
        'nothing is accepted';
};


subtest 'who has never answered' => sub {
    my $dora = account('dora');
    is withdraw($dora)->status, 303, 'may say no beforehand';
    is_deeply [map { record_of('dora')->{$_} } qw(p.analytics p.support rev)],
        [0, 0, 1], 'which is on record';
    is record_of('dora')->{'p.hosting'}, undef,
        'what is necessary cannot be refused';
};


subtest 'two at a time' => sub {
    my $emil = account('emil');
    my $page = show($emil);
    my @forms = map { ['POST', "/consent/$_", [], { token =>
        $page->{form_token}, return => '/', $_ eq 'accept'
            ? (document => [qw(terms privacy cookies)]) : () }] }
        qw(accept withdraw);
    my @r = $emil->pipeline(@forms);
    is join(' ', map { $_->status } @r), '303 409', 'the one that came second'
        . ' is told, and asks again';
    ok exists record_of('emil')->{'d.terms'}, 'the first holds';
};


subtest 'from elsewhere' => sub {
    my $fred = account('fred');
    answer($fred);
    my $page = show($fred);
    my $token = $page->{form_token};

    my $r = withdraw($fred, page => $page,
        headers => ['Sec-Fetch-Site' => 'cross-site']);
    is $r->status, 403, 'another site cannot';
    is fields($r)->{problem}, 'cross-site', 'and why';
    is withdraw($fred, page => $page, headers => [Origin => 'http://evil.test'])
        ->status, 403, 'nor by its origin';
    is withdraw(account('gina'), page => $page)->status, 403,
        'another account cannot';
    is withdraw($t->browser('DE'), page => $page)->status, 403,
        'nor a visitor';
    is withdraw($fred, page => { %$page, form_token => '' })->status, 403,
        'nor without a token';

    my %result;
    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        substr($bad, $i, 1) = substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
        $result{ answer_as_script($fred, what => 'withdraw', state =>
            { token => $bad, missing => [] })->status }++;
    }
    is_deeply \%result, { 403 => length $token },
        'nor with a token that was altered, wherever';
    is $fred->get('/')->status, 200, 'the acceptance stands';
    is $fred->get('/consent/withdraw')->status, 405, 'it takes a POST';
};


subtest 'while Redis is away' => sub {
    my $anna = account('hans');
    answer($anna, purpose => 'analytics');
    is $anna->get('/')->status, 200, 'has accepted';
    withdraw($anna);
    my $page = show($anna);

    $redis->stop;
    $t->allow_log(qr/connect\(\) failed/);

    my $r = $anna->get('/');
    is $r->status, 302, 'the receipt stands for the withdrawal';
    is reason($r), 'missing', 'and for nothing that was accepted before it';
    is $anna->get('/ads/index.html')->status, 302, 'purposes, too';
    is $t->browser('US', jar => $anna->jar, headers =>
        ['X-Test-Account' => 'hans'])->get('/ads/index.html')->status, 403,
        'from outside';

    $r = withdraw($anna, page => $page);
    is $r->status, 503, 'another one cannot be recorded';
    is $r->header('Retry-After'), 5, 'and is asked for again';
    $redis->start;
};


subtest 'a client that leaves' => sub {
    my $ines = account('ines');
    wait_for(sub { answer($ines)->status == 303 }, 10);
    my $page = show($ines);
    $redis->cmd('CLIENT', 'PAUSE', 400, 'WRITE');

    my $http = $t->http;
    my $body = 'token=' . $page->{form_token};
    $http->send_raw($http->format_request('POST', '/consent/withdraw',
        ['X-Test-Account' => 'ines', 'X-Real-IP' => address_of('DE'),
        'Content-Type' => 'application/x-www-form-urlencoded'], $body));
    select undef, undef, undef, 0.05;
    $http->close;

    ok wait_for(sub { $t->access_log =~ m{POST /consent/withdraw [^\n]* 499 } }),
        'is noticed while the write waits';
    ok wait_for(sub { !exists record_of('ines')->{'d.terms'} }),
        'whose withdrawal counts nevertheless';
};


subtest 'where the gate only reports' => sub {
    my $state = account('jana')->get('/consent/state')->json;
    ok $t->reload($site =~ s/consent_gate on/consent_gate report/r), 'reports';
    my $jana = account('jana');
    is $jana->get('/consent/state')->json->{token}, undef, 'has no token';
    my $keys = join ' ', sort $redis->keys('*');

    for my $what (qw(accept decline withdraw erase)) {
        my $r = answer_as_script($jana, what => $what, state => $state);
        is $r->status, 403, "$what is not taken";
        is $r->json->{type}, 'urn:consent-gate:report', 'and why';
    }
    is join(' ', sort $redis->keys('*')), $keys, 'nothing is written';
};

$t->done;
