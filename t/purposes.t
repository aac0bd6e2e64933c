use v5.36;

# Purposes are asked for, granted, refused and changed at any time, and are no
# condition of passing.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my @PURPOSES = qw(hosting support analytics marketing ad_words);

$t->page('index.html', 'home');
$t->page('tag.js', 'tag()');
$t->page('policy-update.html', flow_page);
$t->page('choices.html', join q{}, flow_page, map {;
    qq{$_=[<!--# echo var="consent_purpose_$_" -->]\n},
    qq{${_}_state=[<!--# echo var="consent_purpose_${_}_state" -->]\n},
    qq{${_}_title=[<!--# echo var="consent_purpose_${_}_title" -->]\n}
} @PURPOSES, 'none', 'ad');

my $site = flow_site(
    http => <<'CONF',
    consent_purpose hosting   title=Hosting necessary;
    consent_purpose support   "title=Support & help";
    consent_purpose analytics gpc=deny;
    consent_purpose marketing;
    consent_purpose ad_words;
CONF
    server => <<'CONF',
        consent_subject $http_x_test_account;
        consent_choices_page /choices;
        add_header X-Purposes $consent_purposes always;
        add_header X-One $consent_purpose_analytics always;
        location = /choices {
            ssi on; default_type text/html; alias %%ROOT%%/choices.html;
        }
        location /analytics/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
        }
        location /hosting/ {
            consent_require_purpose hosting; alias %%ROOT%%/;
        }
        location /both/ {
            consent_require_purpose analytics marketing; alias %%ROOT%%/;
        }
        location /empty/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
            consent_purpose_status 204;
        }
        location /legal/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
            consent_purpose_status 451;
        }
        location /empty-strict/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
            consent_refuse_status 451;
        }
CONF
);

$t->nginx($site);

my $redis = $t->redis;

sub account ($name, %options) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name], %options);
}

sub record_of ($name) {
    return $redis->hash(key_of(account => $name)->{record});
}

sub purposes_of ($name) {
    my $record = record_of($name);
    return { map { /^p\.(.*)/ ? ($1 => $record->{$_}) : () } keys %$record };
}

# The form of the page with the choices.
sub choose ($http, @granted) {
    return answer($http, what => 'purposes', document => [],
        query => 'return=/choices%3Fdone=purposes', purpose => \@granted);
}

sub choices ($http) { return fields($http->get('/choices')) }


subtest 'before an answer' => sub {
    my $anna = account('anna');
    my $r = $anna->get('/choices');
    is $r->status, 200, 'the page is there while gated';
    is $r->header('Cache-Control'), 'no-store', 'for this visitor only';
    my $page = fields($r);
    is_deeply [map { $page->{$_} } @PURPOSES], [1, 0, 0, 0, 0],
        'nothing is granted but what is necessary';
    is_deeply [map { $page->{"${_}_state"} } @PURPOSES],
        [qw(necessary open open open open)], 'nor asked';
    is_deeply [map { $page->{"${_}_title"} } qw(hosting support analytics)],
        ['Hosting', 'Support &amp; help', 'analytics'], 'titles';
    is_deeply [map { $page->{$_} } qw(none none_title ad)], [('(none)') x 3],
        'what is not configured is not there';
    is answer($anna)->status, 303, 'accepting takes no purpose';
    is $anna->get('/')->status, 200, 'and passes';
    is_deeply purposes_of('anna'), {}, 'nothing is said about them';
    is $anna->get('/')->header('X-Purposes'),
        'hosting=1,support=0,analytics=0,marketing=0,ad_words=0',
        'the upstream is told so';
};


subtest 'chosen' => sub {
    my $bert = account('bert');
    answer($bert);
    my $r = choose($bert, 'analytics', 'ad_words');
    is $r->status, 303, 'is answered';
    is $r->location, '/choices?done=purposes', 'and brought back';
    is_deeply purposes_of('bert'), { support => 0, analytics => 1,
        marketing => 0, ad_words => 1 }, 'what is not ticked is refused';

    my $page = choices($bert);
    is_deeply [map { $page->{"${_}_state"} } @PURPOSES],
        [qw(necessary refused granted refused granted)], 'the page says so';
    $r = $bert->get('/analytics/index.html');
    is $r->status, 200, 'what needs it is open';
    is $r->header('X-Purposes'),
        'hosting=1,support=0,analytics=1,marketing=0,ad_words=1',
        'the upstream is told';
    is $r->header('X-One'), 1, 'of each, too';
    is $bert->get('/both/index.html')->status, 403, 'one of two is not both';

    my ($first, $event) = events($redis, key_of(account => 'bert')->{events});
    is $event->{what}, 'purposes', 'the event';
    is_deeply $event->{purposes}, { support => 0, analytics => 1,
        marketing => 0, ad_words => 1 }, 'has each answer';
    is_deeply $event->{docs}, [], 'and no document';
    is $event->{prev}, $first->{id}, 'is linked';
    is $event->{mac}, event_mac($event->{body}), 'and signed';

    is choose($bert)->status, 303, 'changed at any time';
    is_deeply [values purposes_of('bert')->%*], [0, 0, 0, 0], 'to nothing';
    is $bert->get('/analytics/index.html')->status, 403,
        'the very next request is refused';
    is $bert->get('/')->status, 200, 'and nothing else is';
};


subtest 'while gated' => sub {
    my $carl = account('carl');
    is $carl->get('/')->status, 302, 'has accepted nothing';
    is choose($carl, 'support')->status, 303, 'may choose';
    is purposes_of('carl')->{support}, 1, 'which is on record';
    is $carl->get('/')->status, 302, 'and changes nothing else';
};


subtest 'by JSON' => sub {
    my $dora = account('dora');
    my $state = $dora->get('/consent/state')->json;
    is_deeply answer_as_script($dora, what => 'purposes', state => $state,
        purposes => ['marketing', 'hosting'])->json,
        { result => 'written', rev => 1 }, 'is written';
    is_deeply purposes_of('dora'), { support => 0, analytics => 0,
        marketing => 1, ad_words => 0 }, 'without what cannot be chosen';
    is answer_as_script($dora, what => 'purposes', state => $state,
        purposes => ['marketing', 'hosting'])->json->{result}, 'repeated',
        'once';
    is answer_as_script($dora, what => 'purposes', state => $state,
        purposes => [])->status, 409, 'another choice needs another token';
    is_deeply $dora->get('/consent/state')->json->{purposes}, {
        hosting => JSON::PP::true, marketing => JSON::PP::true,
        map { $_ => JSON::PP::false } qw(support analytics ad_words) },
        'the state';
    my $r = answer_as_script($dora, what => 'purposes',
        purposes => ['telepathy']);
    is $r->status, 422, 'what does not exist';
    is $r->json->{type}, 'urn:consent-gate:not-shown', 'is none';
};


subtest 'how a refusal is told' => sub {
    my $emil = account('emil');
    answer($emil);

    my $r = $emil->get('/analytics/index.html');
    is $r->status, 403, 'a page';
    like $r->body, qr{href="/choices\?return=/analytics/index\.html},
        'leads to the choices';
    is $t->script('DE', headers => ['X-Test-Account' => 'emil'])
        ->get('/analytics/tag.js')->json->{policy_url},
        '/choices?return=/analytics/tag.js', 'so does a problem';

    my @script = ('Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'script');
    for my $c ($emil, $t->client('DE', ['X-Test-Account' => 'emil', @script]))
    {
        $r = $c->get('/empty/tag.js');
        is $r->status, 204, 'or it is empty';
        is $r->body, '', 'altogether';
        is $r->header('Cache-Control'), 'no-store', 'and not kept';
        is $c->get('/legal/tag.js')->status, 451, 'or has another status';
        is $c->get('/empty-strict/tag.js')->status, 451,
            'or that of all answers';
        is $c->get('/hosting/tag.js')->body, 'tag()',
            'what is necessary is served';
    }

    is $t->browser('DE')->get('/empty/tag.js')->status, 302,
        '204 is for purposes: who has not answered is asked';
    choose($emil, 'analytics');
    is $emil->get('/empty/tag.js')->body, 'tag()', 'granted: the tag';
};


subtest 'from outside' => sub {
    my $us = $t->browser('US', headers => ['X-Test-Account' => 'fred']);
    is $us->get('/analytics/index.html')->status, 200,
        'nobody asks, and nothing is refused';
    choose($us);
    is $us->get('/analytics/index.html')->status, 403,
        'until the visitor says so';
    is $us->get('/empty/tag.js')->status, 204, 'in whatever way';
    choose($us, 'analytics');
    is $us->get('/analytics/index.html')->status, 200, 'or otherwise';
};


subtest 'another site, altered tokens' => sub {
    my $gina = account('gina');
    my $page = show($gina);
    my $token = $page->{form_token};
    is answer($gina, what => 'purposes', page => $page, purpose => 'support',
        headers => ['Sec-Fetch-Site' => 'cross-site'])->status, 403,
        'another site cannot';

    my %result;
    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        substr($bad, $i, 1) = substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
        $result{ answer_as_script($gina, what => 'purposes', purposes =>
            ['support'], state => { token => $bad, missing => [] })->status }++;
    }
    is_deeply \%result, { 403 => length $token }, 'nor an altered token';
    is_deeply purposes_of('gina'), {}, 'nothing is written';

    my $r = answer($gina, what => 'purposes', page => { %$page,
        form_token => 'x' });
    is $r->status, 403, 'a form';
    my $again = fields($r);
    is $again->{problem}, 'expired', 'sees why';
    is $again->{analytics}, 0, 'on the page of the choices';
};


subtest 'while Redis is away' => sub {
    my $hans = account('hans');
    answer($hans);
    choose($hans, 'support');
    is choose($hans, 'analytics')->status, 303, 'has changed a choice';
    $redis->stop;
    $t->allow_log(qr/connect\(\) failed/);
    my $r = $hans->get('/analytics/index.html');
    is $r->status, 200, 'the receipt stands for it';
    is $r->header('X-Purposes'),
        'hosting=1,support=0,analytics=1,marketing=0,ad_words=0',
        'and for what the upstream is told';
    is $t->browser('DE', headers => ['X-Test-Account' => 'new'])
        ->get('/analytics/index.html')->status, 403,
        'without one nothing is granted';
};

$t->done;
