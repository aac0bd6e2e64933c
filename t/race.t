use v5.36;

# A record that changes between the question and the answer: what was read
# before the change is never kept, so that the next request sees the change.
# A real Redis, whose answers are held back on their way.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t     = ConsentGate::Test->new;
my $redis = $t->redis;
my $store = ConsentGate::Test::consent_block() =~ s/%%REDIS%%/%%RELAY%%/r;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->relay;
$t->nginx(flow_site(
    http   => 'consent_cache zone=race:1m ttl=10m;',
    server => <<'END',
        consent_subject $http_x_test_account;
        add_header X-Cache $consent_cache always;
        location = /status { consent_gate off; consent_status json; }
END
) =~ s/%%CONSENT%%/$store/r);

ok $t->wait_for_log(qr/consent feed [^:]+:\S+: up/), 'the feed is up';

sub record ($name, @fields) {
    my $key = key_of(account => $name);

    return $redis->cmd('HSET', $key->{record}, k => $key->{check}, rev => 1,
        'd.terms' => 1, 'd.privacy' => 1, 'd.cookies' => 1, @fields);
}

sub client ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

sub told () { return $t->get('/status')->json->{feed_invalidations} }

sub reason ($r) { return $r->header('Consent-Gate') =~ /reason=(\w+)/ && $1 }

# Asks for the record of NAME, and while the answer is on its way: CHANGE.
# Returns what the one who asked gets, and the one after.
sub meanwhile ($name, $change) {
    my $first = client($name);

    $t->relay->hold;
    $first->send_raw($first->format_request('GET', '/'));
    ok $t->relay->wait_held, "$name: Redis has answered";

    $change->();
    $t->relay->release;

    return $first->read_response, client($name)->get('/');
}

# How many records the feed has named, and until it has named more.
sub heard ($code) {
    my $before = told();

    $code->();
    ok wait_for(sub { told() > $before }), 'the feed has told of it';
    return;
}


for my $n (1 .. 20) {
    my $name = "user$n";
    heard(sub { record($name) });

    my ($first, $next) = meanwhile($name, sub {
        heard(sub { record($name, 'd.terms' => '-') });
    });

    is reason($first), 'accepted', 'the answer is from before the change';
    is reason($next), 'declined', 'and is not what the next one gets';
    is $next->header('X-Cache'), 'miss', 'who asks again';

    my $after = client($name)->get('/');
    is $after->header('X-Cache'), 'hit', 'whose answer is kept';
    is reason($after), 'declined', 'as it is now';
}

subtest 'nobody was told of another record' => sub {
    heard(sub { record('quiet') });
    my ($first, $next) = meanwhile('quiet', sub {});

    is reason($_), 'accepted', 'an answer' for $first, $next;
    is $next->header('X-Cache'), 'hit', 'is kept when nothing has changed';
};

subtest 'an absence' => sub {
    my ($first, $next) = meanwhile('new', sub {
        heard(sub { record('new') });
    });

    is reason($first), 'missing', 'there was no record';
    is reason($next), 'accepted', 'there is one now';
};

subtest 'all of it' => sub {
    record('flushed');
    ok wait_for(sub {
        client('flushed')->get('/')->header('X-Cache') eq 'hit' }), 'kept';
    record('asker');

    my ($first) = meanwhile('asker', sub { $redis->cmd('FLUSHALL') });

    is reason($first), 'accepted', 'an answer from before';
    ok wait_for(sub { reason(client($_)->get('/')) eq 'missing' }),
        "$_: gone with all others" for qw(asker flushed);
};

$t->done;
