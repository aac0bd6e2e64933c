use v5.36;

# Visitors confirm that they are old enough to consent alone. Who is not is a
# minor until the day on which that is no longer true.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $page = flow_page . join '', map {
    qq{$_=[<!--# echo var="consent_$_" -->]\n} } qw(min_age age_state);

$t->page('index.html', 'home');
$t->page('policy-update.html', $page);
$t->page('age.html', "too young\n$page");

my $site = flow_site(
    http   => 'consent_purpose analytics;',
    server => <<'CONF',
        consent_subject $http_x_test_account;
        consent_ask_age on;
        consent_age_page /too-young;
        consent_age FI=18 *=17;
        location = /too-young {
            ssi on; default_type text/html; alias %%ROOT%%/age.html;
        }
        location /analytics/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
        }
CONF
);

$t->nginx($site);

my $redis = $t->redis;

sub account ($country, $name) {
    return $t->browser($country, headers => ['X-Test-Account' => $name]);
}

sub record_of ($name) {
    return $redis->hash(key_of(account => $name)->{record});
}

sub reason ($r) { return $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '' }

sub say_age ($http, $age, %options) {
    return answer($http, what => 'age', document => [], age => $age, %options);
}


subtest 'asked on the page' => sub {
    my $anna = account('DE', 'anna');
    is reason($anna->get('/')), 'age_unconfirmed', 'is sent to the page';
    my $page = show($anna, 'return=/x');
    is_deeply [@$page{qw(min_age age_state missing)}],
        [16, 'unconfirmed', 'terms,privacy,cookies'], 'which asks';

    my $r = answer($anna, page => $page);
    is $r->status, 422, 'nothing is accepted without an age';
    is fields($r)->{problem}, 'age', 'and why';
    is_deeply [$redis->keys('*')], [], 'nothing is written';

    $r = answer($anna, page => $page, age => 'yes');
    is $r->status, 303, 'confirmed and accepted in one step';
    is $r->location, '/x', 'and brought back';
    is record_of('anna')->{age}, 'ok:16', 'passed, and which age';
    is $anna->get('/')->status, 200, 'passes';

    my ($event) = events($redis);
    is $event->{what}, 'accept', 'the event';
    is $event->{age}, 'ok:16', 'tells of it';
    is scalar @{ $event->{docs} }, 3, 'and of the documents';
    unlike $event->{body}, qr/birth/, 'not of a birthday';
    is show($anna)->{age_state}, 'ok', 'the page knows';
    is_deeply $anna->get('/consent/state')->json->{age},
        { asked => 16, state => 'ok' }, 'so does the state';
};


subtest 'who is younger' => sub {
    my $bert = account('FR', 'bert');
    my $page = show($bert, 'return=/x');
    is $page->{min_age}, 15, 'is asked for the age of the country';

    my $r = answer($bert, page => $page, age => 'no', purpose => 'analytics');
    is $r->status, 303, 'is answered';
    like $r->location, qr{^/too-young\?return=/x}, 'on a page of its own';
    my %record = record_of('bert')->%*;
    is $record{age}, 'minor:15', 'a minor, and of which age';
    is_deeply [grep { /^[dp]\./ } keys %record], [],
        'nothing that came with it is recorded';
    my ($event) = events($redis, key_of(account => 'bert')->{events});
    is_deeply [@$event{qw(what age docs purposes)}],
        ['age', 'minor:15', [], {}], 'the event';

    $r = $bert->get('/?lesson=1');
    is $r->status, 302, 'does not pass';
    is reason($r), 'under_age', 'and why';
    like $r->location, qr{^/too-young\?return=/%3Flesson}, 'to that page';
    $r = $bert->get($r->location);
    is $r->status, 200, 'which is there';
    like $r->body, qr/too young/, 'with what can be done';
    is fields($r)->{age_state}, 'minor', 'and knows';

    $r = $t->script('FR', headers => ['X-Test-Account' => 'bert'])->get('/');
    is $r->status, 403, 'a script';
    is $r->json->{reason}, 'under_age', 'is told, too';
    like $r->json->{detail}, qr/under the age/, 'in words';
    like $r->json->{policy_url}, qr{^/too-young}, 'and where';
    $r = $bert->post('/', { a => 1 });
    is $r->status, 403, 'a form';
    like $r->body, qr/guardian/, 'is told in words';
};


subtest 'who is younger, by JSON' => sub {
    my $bea = account('IT', 'bea');
    is_deeply answer_as_script($bea, age => 'no')->json, { result => 'written',
        rev => 1, age => 'minor:14' }, 'is told what is recorded';
    is_deeply [grep { /^d/ } keys record_of('bea')->%*], [],
        'which is the age and no more';
    my $bob = account('IT', 'bob');
    is_deeply answer_as_script($bob, age => 'yes')->json, { result =>
        'written', rev => 1, age => 'ok:14' }, 'who is not is told so, too';
};


subtest 'a minor' => sub {
    my $carl = account('DE', 'carl');
    answer($carl, age => 'yes', purpose => 'analytics');
    is $carl->get('/analytics/index.html')->status, 200, 'had granted';
    is say_age($carl, 'no')->status, 303, 'corrects the age';
    my $record = record_of('carl');
    is $record->{age}, 'minor:16', 'which is on record';
    is $record->{'p.analytics'}, 0, 'and what was granted is taken back';
    is $carl->get('/analytics/index.html')->status, 302,
        'does not pass';

    my $r = answer($carl);
    is $r->status, 403, 'cannot accept';
    is fields($r)->{problem}, 'under-age', 'and why';
    like $r->body, qr/too young/, 'on the page for minors';
    is answer($carl, what => 'purposes', document => [], purpose =>
        'analytics')->status, 403, 'cannot grant';
    is answer($carl, what => 'purposes', document => [])->status, 303,
        'but refuse';
    is answer($carl, what => 'withdraw', document => [])->status, 303,
        'and take back';
    is answer($carl, what => 'erase', document => [])->status, 303,
        'and erase';
    is record_of('carl')->{age}, undef, 'which forgets the age';
};


subtest 'a later birthday' => sub {
    my $bert = account('FR', 'bert');
    my $page = fields($bert->get('/too-young?return=/x'));
    my $r = say_age($bert, 'yes', page => $page);
    is $r->status, 303, 'is a way to answer again';
    is $r->location, '/x', 'and to come back';
    is record_of('bert')->{age}, 'ok:15', 'passed';
    is reason($bert->get('/')), 'missing', 'only the documents are open now';
    is answer($bert)->status, 303, 'and can be accepted';
    is $bert->get('/')->status, 200, 'passes';
    my @events = events($redis, key_of(account => 'bert')->{events});
    is_deeply [map { "$_->{what} " . ($_->{age} // '') } @events],
        ['age minor:15', 'age ok:15', 'accept '], 'each answer is an event';
};


subtest 'an age that was confirmed elsewhere' => sub {
    my $is = account('IS', 'dora');
    is show($is)->{min_age}, 13, '13 in Iceland';
    answer($is, age => 'yes');
    is $is->get('/')->status, 200, 'passes there';

    my $de = account('DE', 'dora');
    is reason($de->get('/')), 'age_unconfirmed', 'does not count for 16';
    my $page = show($de);
    is_deeply [@$page{qw(min_age age_state missing)}], [16, 'unconfirmed', ''],
        'only the age is asked';
    my $r = answer($de, page => $page, age => 'yes');
    is $r->status, 303, 'is answered by the same form';
    is record_of('dora')->{age}, 'ok:16', 'and counts';
    is((events($redis, key_of(account => 'dora')->{events}))[-1]{what}, 'age',
        'as an event of its own');
    is $de->get('/')->status, 200, 'here';
    is $is->get('/')->status, 200, 'and there';

    is say_age($is, 'yes')->status, 303, 'a lower age confirmed';
    is record_of('dora')->{age}, 'ok:16', 'does not lower the higher one';
};


subtest 'a minor of a higher age' => sub {
    my $de = account('DE', 'emil');
    answer($de, age => 'no');
    is reason($de->get('/')), 'under_age', 'is one here';
    is reason(account('FI', 'emil')->get('/')), 'under_age', 'and where it is'
        . ' more';
    is reason(account('SE', 'emil')->get('/')), 'age_unconfirmed',
        'may be old enough where it is less';
};


subtest 'whose age it is' => sub {
    is show(account('FI', 'fred'))->{min_age}, 18, 'one that is set';
    is show(account('AX', 'fred'))->{min_age}, 18, 'land follows its state';
    is show(account('GP', 'fred'))->{min_age}, 15, 'by the law, too';
    is show(account('US', 'fred'))->{min_age}, 17, 'any other country';
    is show(account('none', 'fred'))->{min_age}, 17, 'or none';

    answer(account('US', 'fred'), what => 'residence', document => [],
        residence => 'SE');
    is show(account('FI', 'fred'))->{min_age}, 13,
        'the declared residence comes first';
    is account('US', 'gina')->get('/')->status, 200,
        'outside nobody is asked';
};


subtest 'what is no answer' => sub {
    my $hans = account('DE', 'hans');
    for my $age ('', 'maybe', 'YES', '16', 'true') {
        is say_age($hans, $age)->status, 422, "\"$age\"";
    }
    is answer_as_script($hans, what => 'age')->json->{type},
        'urn:consent-gate:age', 'nothing';
    is answer_as_script($hans, what => 'age', age => \1)->status, 400,
        'a boolean is malformed';
    is_deeply answer_as_script($hans, what => 'age', age => 'no')->json,
        { result => 'written', rev => 1, age => 'minor:16' }, 'no is';
    is answer_as_script($hans, what => 'age', age => 'no')->json->{result},
        'unchanged', 'once';

    my %result;
    my $page = show($hans);
    my $token = $page->{form_token};
    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        substr($bad, $i, 1) = substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
        $result{ answer_as_script($hans, what => 'age', age => 'yes',
            state => { token => $bad, missing => [] })->status }++;
    }
    is_deeply \%result, { 403 => length $token }, 'no token is altered';
    is say_age($hans, 'yes', page => $page,
        headers => ['Sec-Fetch-Site' => 'cross-site'])->status, 403,
        'no other site answers';

    # the age is the one that was shown, not one that the client says
    my $se = account('SE', 'ines');
    my $of_13 = show($se);
    say_age(account('DE', 'ines'), 'yes', page => $of_13);
    is record_of('ines')->{age}, 'ok:13', 'nor is another age confirmed';
};


subtest 'switched off' => sub {
    ok $t->reload($site =~ s/consent_ask_age on;//r), 'is off';
    is reason(account('DE', 'jana')->get('/')), 'missing', 'nobody is asked';
    my $page = show(account('DE', 'jana'));
    is_deeply [@$page{qw(min_age age_state)}], [16, ''], 'the page knows';
    is account('DE', 'jana')->get('/consent/state')->json->{age}, undef,
        'the state, too';
    is say_age(account('DE', 'jana'), 'yes')->status, 422,
        'nor does an answer count';
    is answer(account('DE', 'jana'), age => 'yes')->status, 303, 'accepts';
    is record_of('jana')->{age}, undef, 'and says no age';

    my $hans = account('DE', 'hans');
    is reason($hans->get('/')), 'under_age', 'a minor remains one';
    is say_age($hans, 'yes')->status, 303, 'but may become older';
    is reason($hans->get('/')), 'missing', 'and is none then';
};


subtest 'while Redis is away' => sub {
    ok $t->reload($site), 'is on';
    my $kim = account('DE', 'kim');
    answer($kim, age => 'yes');
    my $lea = account('DE', 'lea');
    answer($lea, age => 'no');
    $redis->stop;
    $t->allow_log(qr/connect\(\) failed/);
    is reason($kim->get('/')), 'receipt', 'the receipt confirms the age';
    is reason($lea->get('/')), 'under_age', 'or tells a minor';
};

$t->done;
