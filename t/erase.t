use v5.36;

# A record is deleted on its subject's wish. What remains is the proof, and a
# tombstone against forms from before.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(
    http   => 'consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account; consent_on_error closed;'
        . 'consent_override allow=$http_x_tester;',
));

my $redis = $t->redis;

sub account ($name, %options) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name], %options);
}

sub record_of ($name) {
    return $redis->hash(key_of(account => $name)->{record});
}

sub erase ($http, %options) {
    return answer($http, what => 'erase', document => [], %options);
}

sub reason ($r) { return $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '' }


subtest 'an account' => sub {
    my $anna = account('anna');
    my $before = show($anna);
    answer($anna, page => $before, purpose => 'analytics');
    my $key = key_of(account => 'anna')->{record};
    $redis->cmd('HSET', $key, 'res', 'DE', 'eea', 20000, 'age', 'ok:16',
        'd.gone', 3, 'p.gone', 1);
    my $middle = show($anna);

    my $r = answer_as_script($anna, what => 'erase',
        state => { token => $middle->{form_token}, missing => [] });
    is_deeply $r->json, { result => 'written', rev => 2, erased => ['record'],
        kept => ['events'], kept_for => 2190 * 86400 },
        'is erased, and told what is not';

    my @events = events($redis);
    is_deeply record_of('anna'), { rev => 2, ev => $events[1]{id},
        k => key_of(account => 'anna')->{check} }, 'a tombstone is left';
    my $ttl = $redis->cmd('TTL', $key);
    ok $ttl > 7200 && $ttl <= 7800, "for as long as forms live: $ttl s";

    is $events[1]{what}, 'erase', 'the event';
    is_deeply [$events[1]->@{qw(docs purposes)}], [[], {}],
        'says nothing of what was erased';
    is $events[1]{prev}, $events[0]{id}, 'is linked to the one before';
    is $events[1]{mac}, event_mac($events[1]{body}), 'and signed';

    is $anna->get('/')->status, 302, 'is asked as if for the first time';
    is reason($anna->get('/')), 'missing', 'and why';

    for (['accept', $before], ['accept', $middle], ['withdraw', $middle]) {
        my ($what, $page) = @$_;
        is answer($anna, what => $what, page => $page)->status, 409,
            "an old token brings nothing back: $what";
    }
    is_deeply [sort keys record_of('anna')->%*], [qw(ev k rev)],
        'the tombstone stands';

    is answer_as_script($anna, what => 'erase', state => { missing => [],
        token => $middle->{form_token} })->json->{result}, 'repeated',
        'the same form again is the same success';
    is answer_as_script($anna, what => 'erase')->json->{result}, 'unchanged',
        'and there is nothing left to erase';
    is scalar(events($redis)), 2, 'no event is added';

    is answer($anna)->status, 303, 'may accept anew';
    is $anna->get('/')->status, 200, 'and passes';
    my $new = record_of('anna');
    is $new->{rev}, 3, 'counting on';
    is $new->{res}, undef, 'without what was erased';
    ok $redis->cmd('TTL', $key) > 399 * 86400, 'and is kept as ever';
};


subtest 'a visitor' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');
    my $page = show($browser);
    my ($cookie) = $page->{response}->cookie('consent') =~ /^([^;]+)/;
    answer($browser, page => $page);

    my $r = erase($browser, query => 'return=/gone');
    is $r->status, 303, 'is erased';
    is $r->location, '/gone', 'and brought back';
    my %cookies = map { /^([\w-]+)=([^;]*);.*Max-Age=(\d+)/ ? ($1 => "$2 $3")
        : () } $r->headers('Set-Cookie');
    is_deeply \%cookies, { consent => ' 0', 'consent-receipt' => ' 0' },
        'its cookies are taken back';

    my $again = show($browser);
    my ($other) = $again->{response}->cookie('consent') =~ /^([^;]+)/;
    ok $other && $other ne $cookie, 'it comes back as somebody else';
    is answer($browser, page => $again)->status, 303, 'who may answer';

    # a copy of the old cookie
    my $old = $t->browser('DE', headers => [Cookie => $cookie]);
    is answer($old, page => $page)->status, 409, 'the old form is refused';
    is $old->get('/')->status, 302, 'nothing has come back';
};


subtest 'who has no record' => sub {
    $redis->cmd('FLUSHALL');
    my $dora = account('dora');
    is answer_as_script($dora, what => 'erase')->json->{result}, 'unchanged',
        'has nothing to erase';
    is_deeply [$redis->keys('*')], [], 'and gets no trace';
};


subtest 'while an acceptance is in flight' => sub {
    $redis->cmd('FLUSHALL');
    my (%status, $n);

    # two connections, which Redis hears in one order or the other
    for my $i (1 .. 60) {
        my $name = "busy$i";
        my $one = account($name);
        my $two = account($name);
        answer($one);
        my $page = show($one);
        my %forms = (
            erase  => { token => $page->{form_token} },
            accept => { token => $page->{form_token}, purpose => 'analytics' },
        );
        my @order = $i % 2 ? qw(erase accept) : qw(accept erase);
        my %of = ($order[0] => $one, $order[1] => $two);

        $of{$_}->send_raw($of{$_}->format_request('POST', "/consent/$_", [],
            $forms{$_})) for @order;
        my %got = map { $_ => $of{$_}->read_response('POST')->status } @order;
        my $record = record_of($name);
        my $erased = !exists $record->{'d.terms'};

        $status{"$got{erase} $got{accept}"}++;
        $n++ if $erased
            ? $got{erase} == 303 && $got{accept} == 409
                && !exists $record->{'p.analytics'}
            : $got{erase} == 409 && $got{accept} == 303
                && $record->{'p.analytics'};
    }
    is $n, 60, 'it is one order or the other';
    note join ', ', map { "$_: $status{$_}" } sort keys %status;
    is_deeply [sort keys %status], ['303 409', '409 303'], 'both have come';
};


subtest 'a test subject' => sub {
    my $browser = $t->browser('US');
    show($browser);
    my @tester = ('X-Tester' => 1, 'X-Consent-Country' => 'DE');
    my $tester = $t->browser('US', jar => $browser->jar,
        headers => \@tester);
    answer($tester);
    my $r = erase($tester);
    is $r->status, 303, 'can be erased';
    unlike join("\n", $r->headers('Set-Cookie')), qr/^consent=;/m,
        'and the visitor of the same browser is not';
};


subtest 'another site, another one' => sub {
    my $fred = account('fred');
    answer($fred);
    my $page = show($fred);
    is erase($fred, page => $page, headers => ['Sec-Fetch-Site' =>
        'cross-site'])->status, 403, 'another site cannot';
    is erase(account('gina'), page => $page)->status, 403,
        'nor another account';

    my $token = $page->{form_token};
    my %result;
    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        substr($bad, $i, 1) = substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
        $result{ answer_as_script($fred, what => 'erase', state =>
            { token => $bad, missing => [] })->status }++;
    }
    is_deeply \%result, { 403 => length $token }, 'nor an altered token';
    is $fred->get('/')->status, 200, 'the record stands';
};


subtest 'while Redis is away' => sub {
    my $hans = account('hans');
    answer($hans);
    is $hans->get('/')->status, 200, 'has accepted';
    erase($hans);
    $redis->stop;
    $t->allow_log(qr/connect\(\) failed/);
    my $r = $hans->get('/');
    is $r->status, 302, 'the receipt says nothing is accepted';
    is reason($r), 'missing', 'any more';
};

$t->done;
