use v5.36;

# A visitor's copy: the record and every event, of this subject and no other,
# in a format that is written down.

use lib 't/lib';
use IPC::Open3 qw(open3);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $SCHEMA = "$ConsentGate::Test::ROOT/docs/export.schema.json";

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $site = flow_site(
    http   => 'consent_purpose analytics; consent_purpose support;',
    server => 'consent_subject $http_x_test_account;',
);

$t->nginx($site);

my $redis = $t->redis;

sub account ($name, %options) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name], %options);
}

sub export_of ($http) {
    my $r = $http->get('/consent/export');
    is $r->status, 200, 'is given';
    return $r->json;
}

# Whether a text is as the schema says; what python3-jsonschema says if not.
sub valid ($json) {
    my $file = $t->write_file('export.json', $json);
    my $pid = open3(my $in, my $out, undef, '/usr/bin/python3', '-c', <<'PY',
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
for e in jsonschema.Draft202012Validator(schema).iter_errors(json.load(open(sys.argv[2]))):
    print(list(e.path), e.message)
PY
        $SCHEMA, $file);
    local $/;
    my $said = readline($out) // '';
    waitpid $pid, 0;
    return $said . ($? ? "exit $?" : '');
}


subtest 'an account' => sub {
    my $anna = account('anna');
    answer($anna, purpose => 'analytics');
    answer($anna, what => 'purposes', document => [], purpose => 'support');
    answer($anna, what => 'residence', document => [], residence => 'FR');
    answer($anna, what => 'decline');
    answer($anna, what => 'withdraw', document => []);
    answer($anna);
    answer(account('bert'), purpose => 'support') for 1 .. 2;

    my $of = key_of(account => 'anna');
    $redis->cmd('HSET', $of->{record}, 'd.gone', 4, 'p.gone', 0, 'd.no', '-',
        'eea', 20000, 'age', 'ok:16', 'new', "a\xff\"\n", 'p.odd', 'yes');

    my $r = $anna->get('/consent/export');
    is $r->header('Content-Type'), 'application/json', 'as JSON';
    is $r->header('Cache-Control'), 'no-store', 'for nobody else';
    like $r->header('Content-Disposition'), qr/^attachment; filename=/,
        'to be kept';
    is $r->header('Content-Length'), length $r->body, 'with its length';
    is valid($r->body), '', 'as the schema says';

    my $export = $r->json;
    is_deeply [@$export{qw(format version realm complete)}],
        ['consent-gate-export', 1, 'default', JSON::PP::true], 'says what';
    is_deeply $export->{subject}, { kind => 'account', pseudonym =>
        $of->{name} }, 'of whom';
    is_deeply $export->{kept_for}, { record => 400 * 86400,
        events => 2190 * 86400 }, 'for how long';

    my $record = $redis->hash($of->{record});
    my $got = $export->{record};
    is_deeply { map { $_->{name} => $_->{version} // '-' }
        @{ $got->{documents} } }, { terms => 1, privacy => 1, cookies => 1,
        gone => 4, no => '-' }, 'documents, those that are not in use too';
    is_deeply $got->{purposes}, { analytics => JSON::PP::false,
        support => JSON::PP::false, gone => JSON::PP::false }, 'purposes';
    is_deeply [@$got{qw(age residence eea_day rev last_event check)}],
        ['ok:16', 'FR', 20000, @$record{qw(rev ev k)}], 'the rest';
    is_deeply $got->{other}, { new => "a\x{fffd}\"\n", 'p.odd' => 'yes' },
        'and what is not understood';

    my @events = reverse grep { $_->{subject} eq $of->{name} }
        events($redis, $of->{events});
    is_deeply [map { $_->{event}{what} } @{ $export->{events} }],
        [qw(accept withdraw residence purposes accept)],
        'every event, the newest first';
    is_deeply [map { $_->{event}{id} } @{ $export->{events} }],
        [map { $_->{id} } @events], 'of this subject alone';
    is_deeply [map { $_->{mac} } @{ $export->{events} }],
        [map { $_->{mac} } @events], 'their MACs';
    is index($r->body, $events[0]{body}) > 0, 1, 'as they were signed';
    is index($r->body, key_of(account => 'bert')->{name}), -1,
        'nothing of anybody else';
};


subtest 'a visitor' => sub {
    my $browser = $t->browser('DE');
    answer($browser);
    my $export = export_of($browser);
    is $export->{subject}{kind}, 'visitor', 'has a copy';
    is scalar @{ $export->{events} }, 1, 'while it passes';

    my $gated = $t->browser('DE');
    is $gated->get('/')->status, 302, 'who is gated';
    show($gated);
    $export = export_of($gated);
    is $export->{record}, undef, 'has no record';
    is_deeply $export->{events}, [], 'and no event';
    is $export->{complete}, JSON::PP::true, 'which is all';

    my $r = $t->browser('DE')->get('/consent/export');
    is $r->json->{subject}, undef, 'nor has a browser without a cookie';
    is valid($r->body), '', 'as the schema says';
    is $r->cookie('consent'), undef, 'which gets none for it';
    is $gated->head('/consent/export')->status, 200, 'HEAD works';
    is $gated->post('/consent/export', {})->status, 405, 'POST does not';
};


subtest 'after erasing' => sub {
    my $dora = account('dora');
    answer($dora);
    answer($dora, what => 'erase', document => []);
    my $export = export_of($dora);
    is_deeply $export->{record}{documents}, [], 'nothing is on record';
    is_deeply [map { $_->{event}{what} } @{ $export->{events} }],
        [qw(erase accept)], 'and what is kept as proof is told';
    is $export->{complete}, JSON::PP::true, 'all of it';
};


subtest 'in a bucket of many' => sub {
    my $emil = account('emil');
    my $key = key_of(account => 'emil')->{events};
    my $filler = sub ($n) {
        $redis->cmd('EVAL', q{
            for i = 1, tonumber(ARGV[1]) do
                redis.call('XADD', KEYS[1], '*', 'b', ARGV[2], 'm', 'm',
                    'l', 'l')
            end}, 1, $key, $n, '{"v":1,"subject":"AAAAAAAAAAAAAAAAAAAAAA"}');
    };

    $filler->(40);
    answer($emil);
    $filler->(333);
    answer($emil, what => 'purposes', document => [], purpose => 'support');
    $filler->(77);

    my $before = $redis->cmd('INFO', 'commandstats')
        =~ /cmdstat_xrevrange:calls=(\d+)/ ? $1 : 0;
    my $export = export_of($emil);
    my ($after) = $redis->cmd('INFO', 'commandstats')
        =~ /cmdstat_xrevrange:calls=(\d+)/;
    is_deeply [map { $_->{event}{what} } @{ $export->{events} }],
        [qw(purposes accept)], 'both are found';
    is $export->{complete}, JSON::PP::true, 'which is all';
    is $after - $before, 13, 'by pages, no further than to the first';

    # what looks like it and is not
    my $name = key_of(account => 'emil')->{name};
    for my $body (qq({"v":1,"subject":"$name"), qq({"v":1,"x":"$name"}),
        qq([ "$name" ]), qq({"subject":"$name","subject":"$name"}),
        qq({"subject":["$name"]}), qq($name))
    {
        $redis->cmd('XADD', $key, '*', 'b', $body, 'm', 'm', 'l', 'l');
    }
    $redis->cmd('XADD', $key, '*', 'x', 'y');
    my $r = $emil->get('/consent/export');
    is scalar @{ $r->json->{events} }, 2, 'what is no event is left out';
    is valid($r->body), '', 'as the schema says';

    # the first is gone, as trimming would have it
    my ($first) = map { $_->[0] } grep { $_->[1][1] =~ /"subject":"$name"/ }
        @{ $redis->cmd('XRANGE', $key, '-', '+') };
    $redis->cmd('XDEL', $key, $first);
    $export = export_of($emil);
    is scalar @{ $export->{events} }, 1, 'an event that is gone';
    is $export->{complete}, JSON::PP::false, 'is told of';
};


subtest 'more than fits' => sub {
    my $fred = account('fred');
    answer($fred);
    my $key = key_of(account => 'fred')->{events};
    my $name = key_of(account => 'fred')->{name};
    my ($event) = events($redis, $key);
    my $body = $event->{body} =~ s/"id":"\w+"/'"id":"' . 'f' x 32 . '"'/er
        =~ s/"gate":"/'"gate":"' . 'x' x 5000/er;
    $redis->cmd('EVAL', q{for i = 1, 300 do redis.call('XADD', KEYS[1], '*',
        'b', ARGV[1], 'm', 'm', 'l', 'l') end}, 1, $key, $body);
    my $r = $fred->get('/consent/export');
    is $r->status, 200, 'is cut';
    ok length $r->body < 1024 * 1024 + 1024, 'at a mebibyte';
    is $r->json->{complete}, JSON::PP::false, 'and says so';
    is valid($r->body), '', 'as the schema says';
    $redis->cmd('DEL', $key);
};


subtest 'from another site' => sub {
    my $anna = account('anna');
    my $r = $t->script('DE', headers => ['X-Test-Account' => 'anna',
        'Sec-Fetch-Site' => 'cross-site'])->get('/consent/export');
    is $r->status, 403, 'a script is refused';
    is $r->json->{type}, 'urn:consent-gate:cross-site', 'and why';
    is account('anna', headers => ['Sec-Fetch-Site' => 'cross-site',
        'X-Test-Account' => 'anna'])->get('/consent/export')->status, 200,
        'a link is followed: nobody but the visitor sees it';
    is $r->header('Access-Control-Allow-Origin'), undef, 'there is no CORS';
};


subtest 'many at a time' => sub {
    my @clients = map { account("many$_") } 1 .. 40;
    my $key = key_of(account => 'many1')->{events};

    answer($_) for @clients;
    $_->send_raw($_->format_request('GET', '/consent/export')) for @clients;
    my %status;
    my @r = map { $_->read_response('GET') } @clients;
    $status{ $_->status }++ for @r;
    is_deeply [grep { $_ != 200 && $_ != 429 } keys %status], [],
        'each is given or told to ask again';
    ok $status{200} >= 16, "so many are given: $status{200}";
    my ($busy) = grep { $_->status == 429 } @r;
    is $busy->header('Retry-After'), 5, 'the others are told when' if $busy;
    is_deeply [grep { $r[$_]->status == 200 && $r[$_]->json->{subject}
        {pseudonym} ne key_of(account => 'many' . ($_ + 1))->{name} } 0 .. 39],
        [], 'and none is mixed up';
    ok wait_for(sub { $redis->cmd('CLIENT', 'LIST')
        !~ /name=consent-gate-export/ }), 'then the connection closes';
};


subtest 'limited by address' => sub {
    my $limited = $site =~ s{(?=    server \{)}{<<'CONF'}er
    map $uri $export_by { /consent/export $binary_remote_addr; }
    limit_req_zone $export_by zone=exports:1m rate=6r/m;
    limit_req zone=exports burst=2 nodelay;
CONF
        ;
    ok $t->reload($limited), 'by the recipe of the documentation';
    my $anna = account('anna');
    is join(' ', map { $anna->get('/consent/export')->status } 1 .. 5),
        '200 200 200 503 503', 'so many and no more';
    is $anna->get('/consent/state')->status, 200, 'and nothing else is';
    ok $t->reload($site), 'no more';
};


subtest 'a connection of its own' => sub {
    my $gina = account('gina');
    answer($gina);
    $redis->cmd('CLIENT', 'PAUSE', 300, 'ALL');
    my $other = account('anna');
    $gina->send_raw($gina->format_request('GET', '/consent/export'));
    my ($seen) = wait_for(sub {
        $redis->cmd('CLIENT', 'LIST') =~ /(name=consent-gate-export)/ });
    is $gina->read_response('GET')->status, 200, 'is given';
};


subtest 'a client that leaves' => sub {
    my $hans = account('hans');
    answer($hans);

    for (1 .. 20) {
        my $c = account('hans');
        $c->send_raw($c->format_request('GET', '/consent/export'));
        select undef, undef, undef, 0.002 * ($_ % 4);
        $c->close;
    }
    is scalar @{ export_of($hans)->{events} }, 1, 'disturbs nobody';
};


subtest 'while the gate reports' => sub {
    ok $t->reload($site =~ s/consent_gate on/consent_gate report/r), 'reports';
    is export_of(account('anna'))->{subject}{kind}, 'account',
        'a copy can be had';
    ok $t->reload($site), 'on again';
};


subtest 'while Redis is away' => sub {
    my $ines = account('ines');
    answer($ines);
    $redis->stop;
    $t->allow_log(qr/connect\(\) failed/);
    my $r = $ines->get('/consent/export');
    is $r->status, 503, 'there is none';
    is $r->header('Retry-After'), 5, 'for now';
};

$t->done;
