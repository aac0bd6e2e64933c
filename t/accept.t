use v5.36;

# From the page to the record: an answer holds on the very next request, and
# what is kept of it proves itself.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $SHA = 'ab' x 32;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;
$t->publish(
    terms   => { version => 20180525, required => 20180525,
        effective => 1527206400, url => '/legal/terms', sha256 => $SHA },
    privacy => { version => 7, required => 7, url => '/legal/privacy' },
    cookies => { version => 3, required => 3, url => '/legal/cookies' },
);

$t->nginx(flow_site(
    http => 'consent_purpose analytics; consent_purpose support;',
    server => 'consent_subject $http_x_test_account;',
    page   => 'add_header X-Method $request_method always;',
));

my $redis = $t->redis;

sub account ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

sub one_record () {
    my @keys = $redis->keys('gc:s:*');
    is @keys, 1, 'one record';
    return $keys[0];
}


subtest 'the state of nobody' => sub {
    my $script = $t->script('DE');
    my $r = $script->get('/consent/state');
    my $state = $r->json;

    is $r->status, 200, 'is told';
    is $r->header('Content-Type'), 'application/json', 'as JSON';
    is $r->header('Cache-Control'), 'no-store', 'and not stored';
    is_deeply [sort keys %$state], [sort qw(decision reason country source
        documents missing purposes gpc age residence token)],
        'has all members';
    is_deeply [@$state{qw(decision reason country source)}],
        [qw(page missing DE address)], 'tells what a navigation would meet';
    is_deeply $state->{missing}, [qw(terms privacy cookies)], 'what is open';
    is_deeply $state->{purposes}, { analytics => JSON::PP::false,
        support => JSON::PP::false }, 'no purpose is granted';
    is_deeply $state->{documents}[0], { name => 'terms', kind => 'accept',
        version => 20180525, required => 20180525, effective => 1527206400,
        accepted => undef, declined => JSON::PP::false, url => '/legal/terms',
        sha256 => $SHA }, 'a document with all that is known of it';
    is_deeply [map { $_->{kind} } @{ $state->{documents} }],
        [qw(accept acknowledge acknowledge)], 'kinds';
    like $state->{token}, qr/^k1\.[\w-]+$/, 'a token';
    like $r->cookie('consent'), qr/^consent=[\w-]{32};/, 'and a cookie';
    is_deeply [$redis->keys('gc:s:*')], [], 'nothing is written by looking';
};

subtest 'a visitor accepts on the page' => sub {
    my $browser = $t->browser('DE');

    my $r = $browser->get('/?lesson=3');
    is $r->status, 302, 'is sent to the page';
    my ($query) = $r->location =~ m{^/policy-update\?(.*)};

    my $page = show($browser, $query);
    is $page->{missing}, 'terms,privacy,cookies', 'sees what is open';

    my $now = time;
    $r = answer($browser, page => $page, purpose => 'analytics');
    is $r->status, 303, 'answers';
    is $r->location, '/?lesson=3', 'and is brought back';
    is $r->header('Cache-Control'), 'no-store', 'not stored';

    $r = $browser->get($r->location);
    is $r->status, 200, 'the very next request passes';
    is $r->body, 'home', 'to the site';
    like $r->header('Consent-Gate'), qr/^pass; reason=accepted;/, 'and why';

    my $key = one_record;
    my %record = %{ $redis->hash($key) };
    my ($event) = events($redis);

    is $record{'d.terms'}, 20180525, 'version of the terms';
    is $record{'d.privacy'}, 7, 'of the privacy policy';
    is $record{'d.cookies'}, 3, 'of the cookies policy';
    is $record{'p.analytics'}, 1, 'the purpose that was ticked';
    ok !exists $record{'p.support'}, 'no other';
    is $record{rev}, 1, 'the first write';
    is $record{ev}, $event->{id}, 'the last event';
    like $record{k}, qr/^[0-9a-f]{8}$/, 'the check';

    my $ttl = $redis->cmd('TTL', $key);
    ok $ttl > 400 * 86400 - 60 && $ttl <= 400 * 86400, 'kept for 400 days';

    is $event->{what}, 'accept', 'event: what';
    is $event->{method}, 'page', 'how';
    is $event->{kind}, 'visitor', 'by what kind of subject';
    is $event->{realm}, 'default', 'of which site';
    is $key, $event->{bucket} =~ s/:a:/:s:/r . $event->{subject}, 'by whom';
    is_deeply $event->{docs}, [
        { name => 'terms', version => 20180525, sha256 => $SHA },
        { name => 'privacy', version => 7 },
        { name => 'cookies', version => 3 },
    ], 'what was accepted';
    is_deeply $event->{purposes}, { analytics => 1 }, 'what was granted';
    is_deeply [@$event{qw(country source reason kid prev)}],
        ['DE', 'address', 'missing', 'k1', ''], 'under which circumstances';
    ok abs($event->{time} / 1000 - $now) < 60, 'when';
    is $event->{mac}, event_mac($event->{body}), 'the MAC is right';
    is_deeply [$event->{link}], [link_chain($event)], 'and so is the link';

    my $state = $browser->get('/consent/state')->json;
    is_deeply [@$state{qw(decision reason)}], [qw(pass accepted)],
        'the state says so';
    is_deeply $state->{missing}, [], 'nothing is open';
    is $state->{documents}[0]{accepted}, 20180525, 'what was accepted';
    is_deeply $state->{purposes}, { analytics => JSON::PP::true,
        support => JSON::PP::false }, 'what was granted';
};

subtest 'an account accepts by JSON' => sub {
    $redis->cmd('FLUSHALL');
    my $account = account('anna');

    is $account->get('/')->status, 302, 'is sent to the page';

    my $r = answer_as_script($account, purposes => ['support']);
    is $r->status, 200, 'answers';
    is_deeply $r->json, { result => 'written', rev => 1 }, 'is told so';
    is $r->cookie('consent'), undef, 'needs no visitor cookie';
    is $account->get('/')->body, 'home', 'the very next request passes';

    my $of = key_of(account => 'anna');
    my $record = $redis->hash($of->{record});
    my ($event) = events($redis, $of->{events});

    is $record->{k}, $of->{check}, 'the check is derived as documented';
    is $record->{'p.support'}, 1, 'the purpose';
    is_deeply [@$event{qw(what method kind subject)}],
        ['accept', 'api', 'account', $of->{name}], 'the event';
    is_deeply [map { $_->{name} } $account->get('/consent/state')->json
        ->{documents}->@*], [qw(terms privacy cookies)], 'the state';
};

subtest 'a visitor declines' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('FR');

    my $page = show($browser, 'return=/a&need=terms,privacy');
    my $r = answer($browser, what => 'decline', page => $page);

    is $r->status, 303, 'is answered';
    is $r->location, '/policy-update?return=/a&need=terms,privacy',
        'and led back to the page';
    my $record = $redis->hash(one_record);
    is $record->{'d.terms'}, '-', 'is on record';
    is $record->{'d.privacy'}, '-', 'for all that was shown';
    ok !exists $record->{'d.cookies'}, 'and for nothing else';

    $r = $browser->get('/');
    is $r->status, 302, 'does not pass';
    like $r->header('Consent-Gate'), qr/reason=declined/, 'and why';

    my ($event) = events($redis);
    is $event->{what}, 'decline', 'the event';
    is_deeply [map { $_->{name} } @{ $event->{docs} }], [qw(terms privacy)],
        'and its documents';

    # and thinks better of it
    is answer($browser)->status, 303, 'may accept afterwards';
    is $browser->get('/')->status, 200, 'and passes';

    my @events = events($redis);
    is @events, 2, 'two events';
    is $events[1]{prev}, $events[0]{id}, 'the second names the first';
    is_deeply [map { $_->{link} } @events], [link_chain(@events)],
        'the links are a chain';
    is_deeply [map { $_->{mac} } @events],
        [map { event_mac($_->{body}) } @events], 'the MACs are right';
    is $redis->hash($redis->keys('gc:s:*'))->{rev}, 2, 'the second write';
};

subtest 'one document of several is declined' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');

    answer($browser, what => 'decline', document => 'cookies');
    my $record = $redis->hash(one_record);
    is $record->{'d.cookies'}, '-', 'is on record';
    ok !exists $record->{'d.terms'}, 'the others are not';
    is_deeply [map { $_->{name} } (events($redis))[0]{docs}->@*], ['cookies'],
        'nor in the event';
};

subtest 'only a part is ticked' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');

    my $r = answer($browser, query => 'return=/x',
        document => ['terms', 'cookies']);
    is $r->status, 422, 'the page again';
    is $r->header('X-Method'), 'GET', 'asked for as a page is';
    my $page = fields($r);
    is $page->{problem}, 'unticked', 'says why';
    is $page->{missing}, 'terms,privacy,cookies', 'what is open';
    is $page->{return}, '/x', 'and still knows where to go';
    is_deeply [$redis->keys('*')], [], 'nothing is written';
    is answer($browser, page => $page)->status, 303, 'its form works';

    $r = answer_as_script($t->script('DE', jar => $t->browser->jar),
        documents => ['terms']);
    is $r->status, 422, 'the same for JSON';
    is $r->header('Content-Type'), 'application/problem+json', 'a problem';
    is_deeply $r->json->{missing}, ['privacy', 'cookies'], 'says which';

    $r = answer($t->browser('DE'), document => []);
    is $r->status, 422, 'no box at all';
};

subtest 'an answer to what was not shown' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');

    is answer($browser, query => 'need=terms',
        document => ['terms', 'privacy'])->status, 422, 'a document';
    is answer($browser, document => ['terms', 'privacy', 'cookies', 'x'])
        ->status, 422, 'one that does not exist';
    is answer($browser, purpose => 'telepathy')->status, 422, 'a purpose';
    is_deeply [$redis->keys('*')], [], 'nothing is written';
};

subtest 'nothing is open' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');
    answer($browser);
    my $key = one_record;
    my $before = $redis->hash($key);

    my $page = show($browser);
    is $page->{missing}, '', 'the page shows nothing to accept';
    is answer($browser, page => $page)->status, 303, 'its form is taken';
    is_deeply $redis->hash($key), $before, 'the record is unchanged';
    is scalar(events($redis)), 1, 'no event is added';
    is_deeply answer_as_script($browser)->json,
        { result => 'unchanged', rev => 1 }, 'JSON says so';
};

subtest 'an acceptance never lowers a version' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');
    answer($browser, page => show($browser, 'need=privacy'));
    my $key = one_record;

    # another gate knows a later version of what this one still calls 7
    $redis->cmd('HSET', $key, 'd.cookies', 2);
    my $late = show($browser, 'need=cookies,terms');
    $redis->cmd('HSET', $key, 'd.cookies', 9);

    is answer($browser, page => $late)->status, 303, 'an answer to version 3';
    is $redis->hash($key)->{'d.cookies'}, 9, 'leaves 9 as it is';
    is $redis->hash($key)->{'d.terms'}, 20180525, 'and sets the rest';
};

$t->done;
