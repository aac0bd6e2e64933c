use v5.36;

# A version that is announced can be accepted before it is enforced: the page
# offers it to whoever comes with need=, as from a banner, and to nobody else.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;

sub publish (%terms) {
    $t->publish(terms => { url => '/legal/terms', %terms },
        map { $_ => { version => 1, required => 1 } } qw(privacy cookies));
}

publish(version => 1, required => 1);
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;'));

sub client ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

sub reason ($client) {
    return $client->get('/')->header('Consent-Gate') =~ /reason=(\w+)/ && $1;
}

my $anna = client('anna');
is answer($anna)->status, 303, 'anna accepts what is in force';

publish(version => 2, required => 2, before => 1,
    effective => time + 86_400);
ok wait_for(sub { reason($anna) eq 'notice' }), 'a version is announced';

my $page = show($anna);
is $page->{missing}, '', 'nothing is asked of her by itself';

$page = show($anna, 'need=terms&return=/lesson');
is $page->{missing}, 'terms', 'a banner can offer it';

my $r = answer($anna, page => $page, document => []);
is $r->status, 422, 'an answer without a tick is none';
is reason($anna), 'notice', 'and changes nothing';

$r = answer($anna, page => show($anna, 'need=terms&return=/lesson'));
is $r->status, 303, 'she accepts it';
is $r->location, '/lesson', 'and goes on';
ok wait_for(sub { reason($anna) eq 'accepted' }), 'she has the new version';
is $t->redis->hash(key_of(account => 'anna')->{record})->{'d.terms'}, 2,
    'on record';
is show($anna, 'need=terms')->{missing}, '', 'it is not offered again';

publish(version => 2, required => 2);
is reason($anna), 'accepted', 'and she is not asked again';

publish(version => 3, required => 3, effective => time + 86_400);
my $ben = client('ben');
ok wait_for(sub { show($ben, 'need=terms')->{missing} eq 'terms' }),
    'what is only announced is offered to a newcomer, too';
is show($ben)->{missing}, 'privacy,cookies', 'who is asked for the others';

my $state = $anna->get('/consent/state?need=terms')->json;
$r = answer_as_script($anna, state => $state, documents => ['terms']);
is $r->status, 200, 'a script can accept it, too';
is $t->redis->hash(key_of(account => 'anna')->{record})->{'d.terms'}, 3,
    'on record';

$t->done;
