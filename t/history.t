use v5.36;

# A visit from the EEA is remembered in the record, and gates elsewhere for as
# long as consent_remember_eea says.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record record_key);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $today    = int(time / 86_400);
my %ACCEPTED = map { ("d.$_" => 1) } qw(terms privacy cookies);

sub site (%options) {
    return flow_site(
        http   => $options{http} // '',
        server => <<'END',
            consent_remember_eea 180d;
            consent_subject $http_x_account;
            consent_override allow=$http_x_test_override;
            location /short/ { consent_remember_eea 10d; }
            location /off/ { consent_remember_eea off; }
            location /report/ { consent_gate report; }
            location /plus/ { consent_territory eea +GB; }
            location /minus/ { consent_territory eea -IS; }
            location /all/ { consent_territory all; }
            location /header/ { consent_country $http_x_country; }
            location /strict/ {
                consent_unknown_country gate;
                consent_anonymizer gate;
            }
            location = /status { consent_status json; }
END
    );
}

$t->page("${_}index.html", 'home')
    for '', map { "$_/" } qw(short off report plus minus all header strict);
$t->page('style.css', 'css');
$t->page('policy-update.html', flow_page);
$t->nginx(site());

my $redis = $t->redis;


# "302 missing history" of a navigation
sub told ($country, $account, $uri = '/', @headers) {
    my $r = $t->browser($country)->get($uri,
        defined $account ? ('X-Account' => $account) : (), @headers);
    my ($reason, $source) = $r->header('Consent-Gate')
        =~ /^\w+; reason=(\w+);.* source=(\w+);/;

    return join ' ', $r->status, $reason, $source;
}

sub record ($id, %options) {
    return $redis->hash(record_key($id, %options));
}

sub remembered ($id, %options) {
    return wait_for(sub { (record($id, %options)->{eea} // 0) == $today }, 5);
}

# How many commands of a kind Redis has had; of the script, its calls.
sub scripts () { return $redis->calls('evalsha') + $redis->calls('eval') }

sub visits () {
    return $t->get('/status')->json->{visits};
}

# Whatever was to be written by now is: a visit that is written for sure, from
# the one worker, behind it.
my $marker = 0;

sub settle () {
    my $name = 'marker' . ++$marker;
    told(DE => $name);
    return remembered($name);
}


subtest 'an account' => sub {
    is told(US => 'anna'), '200 outside address', 'comes from America';
    settle();
    is_deeply record('anna'), {}, 'and nothing is kept of that';

    is told(DE => 'anna'), '302 missing address', 'then from Germany';
    ok remembered('anna'), 'which is remembered';

    my $record = record('anna');
    is_deeply [sort keys %$record], [qw(eea k)], 'and nothing else';
    my $ttl = $redis->cmd('TTL', record_key('anna'));
    cmp_ok $ttl, '>', 399 * 86_400, 'for as long as a record lives';
    is_deeply [$redis->keys('gc:a:*')], [], 'without an event';

    is told(US => 'anna'), '302 missing history', 'it gates in America';
    is told(none => 'anna'), '302 missing history', 'and where nobody knows';
    is told(DE => 'anna'), '302 missing address', 'and in Germany as ever';
    is told(US => 'bert'), '200 outside address', 'but nobody else';
};

subtest 'an account that has accepted' => sub {
    put_record($redis, 'carl', { %ACCEPTED, rev => 7 });
    $redis->cmd('EXPIRE', record_key('carl'), 5000);

    is told(IS => 'carl'), '200 accepted address', 'in Iceland';
    ok remembered('carl'), 'is remembered';
    is record('carl')->{rev}, 7, 'rev stays';
    cmp_ok $redis->cmd('TTL', record_key('carl')), '<=', 5000,
        'so does the time to live';
    is told(US => 'carl'), '200 accepted history',
        'and counts as inside elsewhere, with what it has accepted';
};

subtest 'a visitor' => sub {
    my $browser = $t->browser('FR');
    show($browser);
    my $id = visitor_of($browser);
    $browser->get('/');
    settle();
    is_deeply record($id, kind => 'visitor'), {},
        'who has not answered has no record';

    is answer($browser)->status, 303, 'the visitor answers';
    is $browser->get('/')->status, 200, 'and passes';
    ok remembered($id, kind => 'visitor'), 'now the visit is remembered';
    is record($id, kind => 'visitor')->{rev}, 1, 'rev stays';

    $redis->cmd('HDEL', record_key($id, kind => 'visitor'), 'd.terms');
    my $abroad = $t->browser('US', jar => $browser->jar);
    ok wait_for(sub { $abroad->get('/')->status == 302 }),
        'and gates in America';
    like $abroad->get('/')->header('Consent-Gate'), qr/source=history/,
        'by history';
};

subtest 'a visitor whose record was erased' => sub {
    my $browser = $t->browser('FR');
    show($browser);
    my $id  = visitor_of($browser);
    my $key = record_key($id, kind => 'visitor');
    put_record($redis, $id, { rev => 3 }, kind => 'visitor');

    $browser->get('/');
    settle();
    is record($id, kind => 'visitor')->{eea}, undef, 'is not remembered';
    is $redis->cmd('TTL', $key), -1, 'and nothing is prolonged';
};

sub visitor_of ($browser) {
    require MIME::Base64;
    return substr MIME::Base64::decode_base64url($browser->jar->get('consent')),
        0, 16;
}

subtest 'a German in New York' => sub {
    my %days = (0 => 1, 1 => 1, 179 => 1, 180 => 1, 181 => 0, 400 => 0);

    for my $ago (sort { $a <=> $b } keys %days) {
        put_record($redis, "german$ago", { eea => $today - $ago });
        is told(US => "german$ago"), $days{$ago} ? '302 missing history'
            : '200 outside address', "$ago days after";
        is record("german$ago")->{eea}, $today - $ago, 'which is not renewed';
    }

    put_record($redis, 'german', { eea => $today + 3 });
    is told(US => 'german'), '302 missing history', 'a clock that was set back';
    is told(DE => 'german'), '302 missing address', 'at home';
    settle();
    is record('german')->{eea}, $today + 3, 'a later day stays';

    is told(US => 'german10', '/short/'), '200 outside address', 'unknown';
    put_record($redis, "german$_", { eea => $today - $_ }) for 10, 11;
    is told(US => 'german10', '/short/'), '302 missing history', '10 of 10d';
    is told(US => 'german11', '/short/'), '200 outside address', '11 of 10d';
    is told(US => 'german11', '/'), '302 missing history', 'where it is 180d';
    is told(US => 'german10', '/off/'), '200 outside address', 'off';
};

subtest 'a resident elsewhere' => sub {
    put_record($redis, 'texan', { res => 'US', eea => $today - 1 });
    is told(US => 'texan'), '200 outside address', 'is not gated by a visit';
    is told(DE => 'texan'), '302 missing address', 'but while it lasts';
    ok remembered('texan'), 'it is noted nevertheless';
    is told(US => 'texan'), '200 outside address', 'and changes nothing';
};

subtest 'once a day' => sub {
    put_record($redis, 'dora', { %ACCEPTED, eea => $today - 1 });
    told(DE => 'dora');
    ok remembered('dora'), 'written';

    my $before = scripts();
    told(DE => 'dora') for 1 .. 20;
    settle();
    is scripts() - $before, 1, 'not again that day, but for our own mark';

    $redis->cmd('HSET', record_key('dora'), eea => $today - 1);
    told(DE => 'dora') for 1 .. 3;
    settle();
    is record('dora')->{eea}, $today - 1,
        'a worker that has seen to it does not ask for it again';
};

subtest 'many at once leave together' => sub {
    my $before = visits()->{written};
    my @ids = map { "crowd$_" } 1 .. 200;
    my @left = @ids;
    my $http = $t->http(headers => ['X-Real-IP' => address_of('DE'),
        'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document']);

    $http->concurrent(32, sub {
        my $id = shift @left or return;
        return ['GET', '/', ['X-Account' => $id]];
    }, sub { });

    ok wait_for(sub { visits()->{written} == $before + 200 }, 5),
        'each is written';
    is scalar(grep { record($_)->{eea} == $today } @ids), 200, 'indeed';
};

subtest 'what is not remembered' => sub {
    my @never = (
        ['a visit in report mode', DE => 'r1', '/report/'],
        ['a visit where it is off', DE => 'r2', '/off/'],
        ['from a country that was taken away', IS => 'r3', '/minus/'],
        ['from one that was added', GB => 'r4', '/plus/'],
        ['from elsewhere where all are asked', US => 'r5', '/all/'],
        ['from nowhere', none => 'r6', '/strict/'],
        ['from behind Tor', T1 => 'r7', '/strict/'],
        ['an override', US => 'r8', '/', 'X-Test-Override' => 1,
            'X-Consent-Country' => 'DE'],
        ['a part of a page', DE => 'r9', '/style.css',
            'Sec-Fetch-Dest' => 'style', 'Sec-Fetch-Mode' => 'no-cors'],
    );
    told(@$_[1 .. $#$_]) for @never;
    put_record($redis, 'r10', { res => 'DE' });
    is told(US => 'r10'), '302 missing residence', 'a resident abroad';
    settle();

    is_deeply record($_->[2]), {}, $_->[0] for @never;
    is record('r10')->{eea}, undef, 'by residence';
    is_deeply record('aDE', kind => 'test'), {}, 'nor of testers';
    is told(DE => 'r11', '/all/'), '302 missing address', 'where all are asked';
    ok remembered('r11'), 'Germany is in the EEA as ever';
    is told(US => 'r12', '/header/', 'X-Country' => 'EU'),
        '302 missing address', 'somewhere in the EU';
    ok remembered('r12'), 'counts';
};

subtest 'records that are not to be touched' => sub {
    my $key = record_key('eve');
    $redis->cmd('HSET', $key, k => '00000000', rev => 1, 'd.terms' => 1);
    told(DE => 'eve') for 1 .. 2;                   # logged once a second
    settle();
    is record('eve')->{eea}, undef, "another's check";

    $key = record_key('fred');
    $redis->cmd('HSET', $key, 'd.terms' => 1);
    told(DE => 'fred');
    settle();
    is_deeply record('fred'), { 'd.terms' => 1 }, 'no check';

    $redis->cmd('SET', record_key('greg'), 'text');
    told(DE => 'greg');
    settle();
    is $redis->cmd('GET', record_key('greg')), 'text', 'no hash';

    put_record($redis, 'hugo', {});
    $redis->cmd('HDEL', record_key('hugo'), 'k');
    told(DE => 'hugo');
    ok remembered('hugo'), 'what an erased account leaves takes a new visit';
    like record('hugo')->{k}, qr/^[0-9a-f]{8}$/, 'with a check';
};

subtest 'a new subject key' => sub {
    my ($old, $new) = ('0123456789abcdef' x 4, '89abcdef01234567' x 4);
    my $sign = 'sign k1 ' . 'fedcba9876543210' x 4;
    put_record($redis, 'ines', { %ACCEPTED, eea => $today - 2 });
    my $before = record_key('ines');

    $t->key_file("subject $new", "subject-previous $old", $sign);
    ok $t->reload, 'the key is rotated';

    ok wait_for(sub { told(DE => 'ines') eq '200 accepted address' }),
        'the record is found by the old one';
    ok remembered('ines'), 'and the visit is noted where it lies';
    is told(DE => 'ines'), '200 accepted address', 'and not beside it';
    my $now = key_of(account => 'ines', key => pack 'H*', $new)->{record};
    is_deeply $redis->hash($now), {}, 'there is no second one';
    is told(US => 'ines'), '200 accepted history', 'it gates from there';

    told(DE => 'jane');
    $now = key_of(account => 'jane', key => pack 'H*', $new)->{record};
    ok wait_for(sub { ($redis->hash($now)->{eea} // 0) == $today }, 5),
        'a new record is made under the new one';
    $t->key_file;
};

for my $workers (1, 3) {
    subtest "with a cache, $workers workers" => sub {
        my $text = site(http => 'consent_cache zone=cache:1m ttl=1h;');
        ok $t->reload($text, workers => $workers), 'reload';
        ok wait_for(sub {
            $t->get('/status')->json->{feed} eq 'up' }), 'the feed is up';

        put_record($redis, "kim$workers", { %ACCEPTED, eea => $today - 1 });
        my $get = sub {
            my $http = $t->browser('DE');
            return $http->get('/', 'X-Account' => "kim$workers")->status;
        };
        is $get->(), 200, 'passes' for 1 .. 3;
        ok remembered("kim$workers"), 'is remembered';

        ok wait_for(sub {
            my $before = $redis->calls('hmget');
            $get->() for 1 .. 10;
            return $redis->calls('hmget') == $before;
        }), 'soon every request is answered by the cache';

        my $before = scripts();
        $get->() for 1 .. 30;
        my $stats = visits();
        cmp_ok scripts(), '==', $before, 'which knows of today';
        $redis->cmd('HDEL', record_key("kim$workers"), 'd.terms');
        ok wait_for(sub { told(US => "kim$workers")
            eq '302 missing history' }), 'and gates elsewhere';
    };
}

subtest 'Redis away' => sub {
    $t->allow_log(qr/consent store/);
    $redis->stop;
    my $r = $t->browser('DE')->get('/', 'X-Account' => 'lars');
    like $r->status, qr/^(?:200|302)$/, 'a request does not mind';
    $redis->start;
    ok wait_for(sub { told(DE => 'lars'); record('lars')->{eea} }, 10),
        'and later a visit is remembered';
};

$t->done;
