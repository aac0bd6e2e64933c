use v5.36;

# Who came by the link of an email may say to be old enough, to accept; and
# nothing about the age of its account besides, however often.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Link;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(http => 'consent_purpose analytics;', server => <<'END'));
    consent_subject $http_x_test_account;
    consent_ask_age on;
    consent_age_page /age;
END

my $redis = $t->redis;
my $ANNA = key_of(account => 'anna')->{record};

sub by_link () {
    my $browser = $t->browser('DE');
    is $browser->get('/consent/link?t=' . link_token('anna'))->status, 303,
        'a link';
    return $browser;
}

sub is_refused ($r, $name) {
    is $r->status, 403, $name;
    is $r->json->{type}, 'urn:consent-gate:link-accept', 'and why';
    return;
}

subtest 'younger' => sub {
    my $browser = by_link;

    is_refused(answer($browser, age => 'no'), 'with an acceptance');
    is_refused(answer_as_script($browser, age => 'no'), 'as JSON');
    is_refused(answer($browser, what => 'age', age => 'no'), 'alone');
    is_deeply [$redis->keys('gc:*')], [], 'nothing is written';

    my $r = answer($browser, age => 'yes', purpose => 'analytics');
    is $r->location, '/policy-update?done=link', 'old enough, and accepted';
    is $redis->hash($ANNA)->{age}, 'ok:16', 'is recorded';
    is scalar(grep { /^gc:l:/ } $redis->keys('gc:*')), 1, 'and spends the link';
};

subtest 'old enough, where nothing is open' => sub {
    my $anna = $t->browser('DE', headers => ['X-Test-Account' => 'anna']);
    is answer($anna, what => 'age', age => 'no')->status, 303,
        'anna says to be younger';
    my $before = $redis->hash($ANNA);
    is $before->{age}, 'minor:16', 'is recorded';

    my $browser = by_link;
    is_refused(answer($browser, age => 'yes', document => []),
        'who has the link cannot say otherwise');
    is_deeply $redis->hash($ANNA), $before, 'nothing is changed';
};

$t->done;
