use v5.36;

# A visitor declares a country of residence, corrects it, and takes it back.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page
    . qq{residence=[<!--# echo var="consent_residence" -->]\n});
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;'
    . 'consent_unknown_country gate;'));

my $redis = $t->redis;

sub account ($country, $name) {
    return $t->browser($country, headers => ['X-Test-Account' => $name]);
}

sub res ($name) {
    return $redis->hash(key_of(account => $name)->{record})->{res};
}

sub reside ($http, $where, %options) {
    return answer($http, what => 'residence', document => [],
        defined $where ? (residence => $where) : (), %options);
}

sub told ($http) {
    return join ' ', $http->get('/')->header('Consent-Gate')
        =~ /^(\w+);.*source=(\w+)/;
}


subtest 'declared, corrected, taken back' => sub {
    my $us = account('US', 'anna');
    is told($us), 'pass address', 'an American passes';
    my $r = reside($us, 'DE', query => 'return=/choices');
    is $r->status, 303, 'declares to live in Germany';
    is $r->location, '/choices', 'and is brought back';
    is res('anna'), 'DE', 'which is on record';
    is told($us), 'page residence', 'and asked from anywhere';
    is show($us)->{residence}, 'DE', 'the page knows';
    is $us->get('/consent/state')->json->{residence}, 'DE', 'so does the state';

    reside($us, 'ch');
    is res('anna'), 'CH', 'corrected';
    is told($us), 'pass address', 'and not asked';

    reside($us, '');
    is res('anna'), undef, 'taken back';
    is $us->get('/consent/state')->json->{residence}, undef, 'the state';

    my @events = events($redis);
    is_deeply [map { $_->{what} } @events], [('residence') x 3], 'the events';
    is_deeply [map { $_->{residence} } @events], ['DE', 'CH', ''],
        'and what they say';
    is_deeply [map { $_->{prev} } @events], ['', map { $_->{id} }
        @events[0, 1]], 'linked';
    is_deeply [map { $_->{mac} } @events],
        [map { event_mac($_->{body}) } @events], 'signed';
};


subtest 'from inside' => sub {
    my $de = account('DE', 'bert');
    reside($de, 'US');
    is told($de), 'page address', 'a present address inside counts';
    is told(account('none', 'bert')), 'pass unknown',
        'an unknown one does not any more';
    is told(account('none', 'other')), 'page unknown', 'as it does for others';
};


subtest 'what is a country' => sub {
    my $us = account('US', 'carl');
    my %as = (UK => 'GB', EL => 'GR', is => 'IS', XK => 'XK');

    for my $code (sort keys %as) {
        is reside($us, $code)->status, 303, $code;
        is res('carl'), $as{$code}, "is $as{$code}";
    }
    for my $code ('Germany', 'D', 'XX', 'A1', 'T1', 'EU', 'AP', 'D E', "D\n",
        'ZZ', '1', undef)
    {
        my $r = reside($us, $code);
        is $r->status, 422, defined $code ? "\"$code\"" : 'nothing at all';
        is fields($r)->{problem}, 'country', 'is none';
    }
    is res('carl'), 'IS', 'and changes nothing';
};


subtest 'by JSON' => sub {
    my $us = account('US', 'dora');
    my $state = $us->get('/consent/state')->json;
    is_deeply answer_as_script($us, what => 'residence', state => $state,
        residence => 'FR')->json, { result => 'written', rev => 1 }, 'a code';
    is answer_as_script($us, what => 'residence', state => $state,
        residence => 'FR')->json->{result}, 'repeated', 'twice';
    is answer_as_script($us, what => 'residence', state => $state,
        residence => 'IT')->status, 409, 'another by the same token';
    is answer_as_script($us, what => 'residence', residence => 'FR')->json
        ->{result}, 'unchanged', 'the same once more';
    is answer_as_script($us, what => 'residence', residence => undef)->json
        ->{result}, 'written', 'null';
    is res('dora'), undef, 'takes it back';
    is answer_as_script($us, what => 'residence', residence => 5)->status,
        400, 'a number is malformed';
    is answer_as_script($us, what => 'residence')->json->{type},
        'urn:consent-gate:country', 'nothing is no country';
};


subtest 'another site, altered tokens' => sub {
    my $us = account('US', 'emil');
    my $page = show($us);
    is reside($us, 'DE', page => $page,
        headers => ['Sec-Fetch-Site' => 'same-site'])->status, 403,
        'another site cannot';
    my %result;
    my $token = $page->{form_token};
    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        substr($bad, $i, 1) = substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
        $result{ answer_as_script($us, what => 'residence', residence => 'DE',
            state => { token => $bad, missing => [] })->status }++;
    }
    is_deeply \%result, { 403 => length $token }, 'nor an altered token';
    is res('emil'), undef, 'nothing is written';
};

$t->done;
