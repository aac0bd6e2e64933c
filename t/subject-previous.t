use v5.36;

# The subject key changes: a record is found under the key before, and moves
# with the next write.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t    = ConsentGate::Test->new;
my $OLD  = '0123456789abcdef' x 4;
my $NEW  = '5a' x 32;
my $SIGN = 'sign k1 ' . 'fedcba9876543210' x 4;
my @NEW  = (key => pack 'H*', $NEW);

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->key_file("subject $OLD", $SIGN);
$t->nginx(flow_site(
    http   => 'consent_purpose analytics; consent_purpose support;',
    server => 'consent_subject $http_x_test_account;',
));

my $redis = $t->redis;

sub account ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

sub hmgets_of ($code) {
    my $before = $redis->calls('hmget');
    $code->();
    return $redis->calls('hmget') - $before;
}

my ($anna, $bert, $carl) = map { account($_) } qw(anna bert carl);
my $visitor = $t->browser('DE');

answer($anna, purpose => 'support');
answer($_, what => 'decline') for $bert, $visitor;
my $old = key_of(account => 'anna');
my $new = key_of(account => 'anna', @NEW);

# what another version of the gate has written stays with the record
$redis->cmd('HSET', $old->{record}, 'x', 'kept', 'eea', 17_000, 'res', 'DE');
my $before = $redis->hash($old->{record});

$t->key_file("subject $NEW", "subject-previous $OLD", $SIGN);
ok $t->reload, 'the key is another one now';

subtest 'a record that is under the old key' => sub {
    is $anna->get('/')->body, 'home', 'is found';
    is show($anna)->{subject}, $new->{name}, 'the subject has a new name';
    is $anna->get('/consent/state')->json->{documents}[0]{accepted}, 1,
        'what was accepted';
    is_deeply $redis->hash($old->{record}), $before, 'reading moves nothing';
    is hmgets_of(sub { $anna->get('/') }), 2, 'it costs a second lookup';
    like $bert->get('/')->header('Consent-Gate'), qr/reason=declined/,
        'a refusal is found as well';
    like $visitor->get('/')->header('Consent-Gate'), qr/reason=declined/,
        'so is that of a visitor';
    is $carl->get('/')->status, 302, 'and who has none has none';
};

subtest 'moves with the next write' => sub {
    my $page = show($anna);
    my $r = answer($anna, page => $page, purpose => 'analytics');
    is $r->status, 303, 'an answer';

    my $after = $redis->hash($new->{record});
    is_deeply $redis->hash($old->{record}), {}, 'the old one is gone';
    my ($event) = events($redis, $new->{events});

    is_deeply $after, { %$before, 'p.analytics' => 1, rev => 2,
        ev => $event->{id}, k => $new->{check} },
        'the new one has all of it, and the change';
    is $event->{prev}, $before->{ev}, 'the event names the one before';
    is $event->{subject}, $new->{name}, 'and the new name';

    my $ttl = $redis->cmd('TTL', $new->{record});
    ok $ttl > 400 * 86400 - 60, 'kept for as long as any';

    is $anna->get('/')->body, 'home', 'it is found there';
    is hmgets_of(sub { $anna->get('/') }), 1, 'at once';
    is answer($anna, page => $page, purpose => 'analytics')->status, 303,
        'the same form once more';
    is $redis->hash($new->{record})->{rev}, 2, 'changes nothing';
};

subtest 'a visitor' => sub {
    my $old = $visitor->jar->get('consent');
    my $r = answer($visitor);
    is $r->status, 303, 'answers';
    isnt $visitor->jar->get('consent'), $old,
        'gets the cookie of the new key';
    is $visitor->get('/')->body, 'home', 'and is known by it';
    is $redis->hash($redis->keys("gc:s:*@{[show($visitor)->{subject}]}"))
        ->{rev}, 2, 'with the record that has moved';
};

subtest 'a form of before the change' => sub {
    my $page = show($carl);
    $t->key_file("subject $OLD", $SIGN);
    ok $t->reload, 'back to the old key';
    is answer($carl, page => $page)->status, 403, 'is of another subject';
    $page = show($carl);

    $t->key_file("subject $NEW", "subject-previous $OLD", $SIGN);
    ok $t->reload, 'the new key again';
    my $r = answer($carl, page => $page);
    is $r->status, 403, 'is of another subject, too';
    is answer($carl, page => fields($r))->status, 303, 'the page again helps';
};

subtest 'without the old key' => sub {
    $t->key_file("subject $NEW", $SIGN);
    ok $t->reload, 'is accepted';

    is $anna->get('/')->body, 'home', 'who has moved passes';
    like $bert->get('/')->header('Consent-Gate'), qr/reason=missing/,
        'who has not is unknown';
    is $visitor->get('/')->body, 'home', 'a visitor with a new cookie passes';
};

$t->done;
