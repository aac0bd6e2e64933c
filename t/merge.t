use v5.36;

# A browser that holds a visitor's record is seen with an account: what goes
# over, what does not, and what is left.

use lib 't/lib';
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record record_key);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $COOKIE   = '__Host-consent';
my $today    = int(time / 86_400);
my %ACCEPTED = map { ("d.$_" => 1) } qw(terms privacy cookies);

# As on TLS: browsers take such a cookie from this host alone.
sub site (%options) {
    return flow_site(
        http => 'consent_purpose analytics; consent_purpose support;'
            . ($options{http} // ''),
        server => <<"END" . ($options{server} // ''),
            consent_subject \$http_x_account;
            consent_remember_eea 180d;
            consent_override allow=\$http_x_test_override;
            location /purpose/ { consent_require_purpose support; }
            location /report/ { consent_gate report; }
            location /off/ { consent_gate off; }
            location = /status { consent_status json; }
END
    ) . <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name other;
        root %%ROOT%%;
        consent_gate on;
        consent_explain on;
        consent_realm other;
        consent_subject $http_x_account;
        location /consent/ { consent_api; }
        location = /policy-update {
            ssi on; default_type text/html;
            alias %%ROOT%%/policy-update.html;
        }
    }
END
}

my $NAMED = "consent_visitor_cookie $COOKIE secure=on;";

$t->page("${_}index.html", 'home') for '', map { "$_/" } qw(purpose report off);
$t->page('policy-update.html', flow_page);
$t->nginx(site(http => $NAMED));

my $redis = $t->redis;


sub told ($browser, $account = undef, $uri = '/', @headers) {
    my $r = $browser->get($uri,
        defined $account ? ('X-Account' => $account) : (), @headers);
    my ($reason) = $r->header('Consent-Gate') =~ /reason=(\w+)/;

    return $r->status . " $reason";
}

sub account ($id, %options) { return $redis->hash(record_key($id, %options)) }

sub visitor_id ($browser, $cookie = $COOKIE) {
    return substr decode_base64url($browser->jar->get($cookie)), 0, 16;
}

sub visitor ($id) { return $redis->hash(record_key($id, kind => 'visitor')) }

# What a record says; not that one was here today.
sub answers ($hash) {
    return join ' ', map { "$_=$hash->{$_}" }
        grep { /^[dp]\.|^(?:age|res)$/
            || $_ eq 'eea' && $hash->{eea} != $today }
        sort keys %$hash;
}

my $ALL = 'd.cookies=1 d.privacy=1 d.terms=1';

# A browser whose visitor has answered just now.
sub visitor_browser (%answer) {
    my $browser = $t->browser('DE');
    my $r = answer($browser, %answer);
    die $r->status if $r->status != 303;
    return $browser;
}

# A browser whose visitor has this record, as it may be after some time.
sub old_browser ($fields, $country = 'DE') {
    my $browser = $t->browser($country);
    show($browser);
    put_record($redis, visitor_id($browser), $fields, kind => 'visitor');
    return $browser;
}

# The terms, in another version.
sub in_force ($version) {
    $redis->cmd('HSET', 'gc:p', 'terms',
        "version=$version required=$version");
    ok wait_for(sub {
        $t->browser('DE')->get('/consent/state')->json->{documents}[0]{version}
            == $version;
    }, 10), "terms $version";
    return;
}

sub events_of ($what) { return grep { $_->{what} eq $what } events($redis) }


subtest 'a login within the hour' => sub {
    my $browser = visitor_browser(purpose => 'analytics');
    my $id      = visitor_id($browser);
    my $said    = visitor($id);

    is told($browser), '200 accepted', 'the visitor passes';
    like $browser->jar->line("$COOKIE-given"),
        qr/; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=3600$/,
        'a cookie says for an hour that this was said here';

    my $r = $browser->get('/', 'X-Account' => 'anna');
    is $r->status, 200, 'so does the account, at its first request';
    is $r->header('Set-Cookie'), undef, 'without a cookie';

    my $record = account('anna');
    is answers($record), $ALL, 'it has what was accepted, and no grant';
    is $record->{rev}, 1, 'by one write';
    is_deeply [sort keys %{ visitor($id) }], [qw(ev k rev)],
        'of the visitor a tombstone is left';
    is visitor($id)->{rev}, 2, 'by one write more';
    my $ttl = $redis->cmd('TTL', record_key($id, kind => 'visitor'));
    ok $ttl > 7000 && $ttl <= 7800, 'for as long as forms live';

    my ($of_account, $of_visitor) = sort { $a->{kind} cmp $b->{kind} }
        events_of('merge');
    is $of_account->{kind}, 'account', 'an event of the account';
    is $of_account->{id}, $record->{ev}, 'its last';
    is $of_account->{prev}, '', 'and first';
    is $of_account->{merged}, $said->{ev}, 'tells where it comes from';
    is $of_account->{method}, 'login', 'and how';
    is $of_account->{reason}, 'missing', 'and why';
    is $of_account->{country}, 'DE', 'and where';
    is_deeply [map { "$_->{name}=$_->{version}" } @{ $of_account->{docs} }],
        [map { "$_=1" } qw(terms privacy cookies)], 'what was accepted';
    is_deeply $of_account->{purposes}, {}, 'and no purpose';
    is $of_account->{declined}, undef, 'nor a no';
    is $of_visitor->{kind}, 'visitor', 'one of the visitor';
    is $of_visitor->{prev}, $said->{ev}, 'after the answer';
    is $_->{mac}, event_mac($_->{body}), 'signed'
        for $of_account, $of_visitor;
    is $_->{link}, (link_chain(events($redis, $_->{bucket})))[-1], 'linked'
        for $of_account, $of_visitor;
};

subtest 'a visitor who is erased' => sub {
    my $browser = visitor_browser();
    my $r = answer($browser, what => 'erase', document => []);

    is_deeply [sort map { /^([\w-]+)=;.* Max-Age=0\b/ ? $1 : $_ }
        $r->headers('Set-Cookie')],
        [$COOKIE, "$COOKIE-given", "$COOKIE-receipt"],
        'takes no cookie along, nor what was said within the hour';
};

subtest 'nothing more of it later' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    told($browser, 'anna');

    my @before = map { $redis->calls($_) } qw(hmget evalsha);
    is told($browser, 'anna'), '200 accepted', 'again' for 1 .. 5;
    my @after = map { $redis->calls($_) } qw(hmget evalsha);
    is $after[0] - $before[0], 5, 'each request asks for the account only';
    is $after[1] - $before[1], 0, 'and writes nothing';

    my $r = show($browser, 'x')->{response};
    is $r->cookie($COOKIE), undef, 'the visitor on the page has the same one';
    my $account = $t->browser('DE', jar => $browser->jar,
        headers => ['X-Account' => 'anna']);
    my $old = visitor_id($browser);
    $r = $account->get('/policy-update');
    like $r->cookie($COOKIE), qr/^$COOKIE=[\w-]{32}; (?!.*Max-Age)/,
        'the account gets a new one there, for the session';
    isnt visitor_id($browser), $old, 'another';
    is $account->get('/policy-update')->cookie($COOKIE), undef, 'once';
    is told($browser), '302 missing', 'who comes without an account is asked';
};

subtest 'the new cookie comes with each answer of the gate' => sub {
    for my $case (
        ['the redirect', sub ($b) { $b->get('/', 'X-Account' => 'x1') }],
        ['a problem', sub ($b) { $t->script('DE', jar => $b->jar)
            ->get('/', 'X-Account' => 'x2') }],
        ['the page', sub ($b) { $b->get('/policy-update',
            'X-Account' => 'x3') }],
        ['the state', sub ($b) { $b->get('/consent/state',
            'X-Account' => 'x4') }],
    ) {
        my ($what, $ask) = @$case;
        my $browser = old_browser({ 'd.terms' => '-' });
        my $old = visitor_id($browser);
        like $ask->($browser)->cookie($COOKIE), qr/^$COOKIE=[\w-]{32};/, $what;
        isnt visitor_id($browser), $old, 'another visitor';
        is answers(visitor($old)), '', 'the old one has gone over';
    }
    is answers(account($_)), 'd.terms=-', 'to the account'
        for qw(x1 x2 x3 x4);
};

subtest 'a login after the hour' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    my $given = $browser->jar->get("$COOKIE-given");
    my ($kid, $text) = split /\./, $given;
    my $raw = substr decode_base64url($text), 0, -16;
    my $key = hmac_sha256('consent-gate given',
        pack 'H*', 'fedcba9876543210' x 4);
    my $sign = sub ($raw) {
        return "$kid." . encode_base64url($raw
            . substr hmac_sha256("$kid.$raw", $key), 0, 16);
    };
    is $sign->($raw), $given, 'the cookie is made as documented';

    my $now  = time;
    my $left = unpack('Q>', substr $raw, 1, 8) - $now;
    ok $left > 3500 && $left <= 3600, 'and says until when it is good';
    substr $raw, 1, 8, pack 'Q>', $now - 1;
    $browser->jar->set("$COOKIE-given", $sign->($raw));
    my $id = visitor_id($browser);

    is told($browser, 'anna'), '302 missing', 'the account is asked';
    is answers(account('anna')), '', 'nothing goes over';
    is answers(visitor($id)), '', 'and it is gone for the next, too';

    $browser = old_browser({ %ACCEPTED });
    is told($browser, 'bert'), '302 missing', 'nor without the cookie';
    is answers(account('bert')), '', 'no record is made for nothing';
};

subtest 'several answers within the hour' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    my @given   = $browser->jar->get("$COOKIE-given");

    for my $version (2, 3) {
        in_force($version);
        is told($browser), '302 outdated', "terms $version";
        is answer($browser)->status, 303, 'accepted, too';
        push @given, split /~/, $browser->jar->get("$COOKIE-given");
    }

    is $given[2], $given[0], 'the cookie has both answers';
    is_deeply [@given[4 .. $#given]], [$given[0]],
        'but for one that the next has outdone';
    isnt $given[3], $given[1], 'by an answer of its own';

    is told($browser, 'gerd'), '200 accepted', 'the account passes';
    is answers(account('gerd')), 'd.cookies=1 d.privacy=1 d.terms=3',
        'all have gone over';

    $browser = visitor_browser();
    $browser->jar->set("$COOKIE-given", join '~', @given[3, 0], '', 'x');
    is told($browser, 'hans'), '302 missing', "those of another are nothing";
    in_force(1);
};

subtest 'refusals, a minor and a visit go over always' => sub {
    my $browser = old_browser({ 'd.terms' => '-', 'd.privacy' => 1,
        'd.cookies' => 1, 'p.analytics' => 0, 'p.support' => 1,
        age => 'minor:16', eea => $today - 3, res => 'US' });
    put_record($redis, 'carl', { %ACCEPTED, 'p.analytics' => 1,
        'p.support' => 0, age => 'ok:16', eea => $today - 40, res => 'DE',
        rev => 8, ev => 'ab' x 16 });

    is told($browser, 'carl'), '302 under_age', 'the account is one of a minor';
    my $record = account('carl');
    is answers($record), 'age=minor:16 d.cookies=1 d.privacy=1 d.terms=- eea='
        . ($today - 3) . ' p.analytics=0 p.support=0 res=DE',
        'no is no; grants and residence are the own';
    is $record->{rev}, 9, 'by one write';

    my ($event) = grep { $_->{kind} eq 'account' && $_->{prev} eq 'ab' x 16 }
        events_of('merge');
    is_deeply $event->{declined}, ['terms'], 'the event says what was declined';
    is_deeply $event->{purposes}, { analytics => 0 }, 'and refused';
    is $event->{age}, 'minor:16', 'and the minor';

    $browser = old_browser({ 'p.analytics' => 0, eea => $today - 9 }, 'US');
    is told($browser, 'dora'), '302 missing', 'who was in the EEA as a visitor';
    like $browser->get('/', 'X-Account' => 'dora')->header('Consent-Gate'),
        qr/source=history/, 'is remembered as an account';
    is answers(account('dora')), 'eea=' . ($today - 9) . ' p.analytics=0',
        'with the no';

    $browser = old_browser({ 'p.support' => 0 }, 'US');
    put_record($redis, 'emma', { 'p.support' => 1 });
    is told($browser, 'emma', '/purpose/'), '403 purpose',
        'a no counts outside too';
};

subtest 'what the account has said itself' => sub {
    my $browser = visitor_browser();
    put_record($redis, 'fred', { 'd.terms' => '-' });
    is told($browser, 'fred'), '302 declined', 'its own no stays';
    is answers(account('fred')), 'd.cookies=1 d.privacy=1 d.terms=-',
        'and what is open is taken over';

    $browser = visitor_browser();
    put_record($redis, 'greg', { 'd.terms' => 5, 'd.privacy' => 5,
        'd.cookies' => 5 });
    is told($browser, 'greg'), '200 accepted', 'a later version stays';
    is answers(account('greg')), 'd.cookies=5 d.privacy=5 d.terms=5', 'indeed';
    is account('greg')->{rev}, 1, 'nothing is written';
};

subtest 'two accounts on one device' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    is told($browser, 'anna'), '200 accepted', 'the first takes over';
    is told($browser, 'bert'), '302 missing', 'the second is asked';
    is answers(account('bert')), '', 'and has nothing of the visitor';
    is told($browser, 'anna'), '200 accepted', 'the first again';

    # then somebody without an account, and the second
    my $fresh = $t->browser('DE', jar => $browser->jar);
    is told($fresh), '302 missing', 'nobody in particular is asked';
    is answer($fresh, what => 'decline')->status, 303, 'a visitor declines';
    is told($browser, 'anna'), '302 declined',
        'whoever comes next takes the no over';
    is told($browser, 'bert'), '302 missing', 'and the one after not';
};

subtest 'an account that changes in one browser' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    told($browser, 'anna');

    my $anna = $t->browser('DE', jar => $browser->jar,
        headers => ['X-Account' => 'anna']);
    my $bert = $t->browser('DE', jar => $browser->jar,
        headers => ['X-Account' => 'bert']);
    is answer($bert)->status, 303, 'the second answers for themselves';
    is answers(account('bert')), $ALL, 'and has that on record';
    is $anna->get('/')->status, 200, 'the first has theirs';
    is account('anna')->{rev}, 1, 'and nothing of the second';
    is account('bert')->{rev}, 1, 'nor the other way round';
};

subtest 'a visitor cookie that was planted' => sub {
    $redis->cmd('FLUSHALL');
    my $mallory = visitor_browser(purpose => ['analytics', 'support']);
    my $victim  = $t->browser('DE');

    $victim->jar->set($COOKIE, $mallory->jar->get($COOKIE));
    is told($victim, 'victim'), '302 missing', 'nothing is accepted by it';
    is answers(account('victim')), '', 'nor on record';

    # a cookie that does not belong to it
    $mallory = visitor_browser();
    my $other = visitor_browser();
    $victim = $t->browser('DE');
    $victim->jar->set($COOKIE, $mallory->jar->get($COOKIE));
    $victim->jar->set("$COOKIE-given", $other->jar->get("$COOKIE-given"));
    is told($victim, 'victim2'), '302 missing', "nor by another's";

    # cookies of other kinds, or altered
    for my $value ($other->jar->get("$COOKIE-receipt"), 'x', '',
        $other->jar->get("$COOKIE-given") =~ s/.$/A/r)
    {
        my $browser = visitor_browser();
        $browser->jar->set("$COOKIE-given", $value);
        is told($browser, 'victim3'), '302 missing', "nor by '$value'";
    }
};

subtest 'taken back before the login' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    my $state = $browser->get('/consent/state')->json;
    my $r = $browser->post('/consent/withdraw', { token => $state->{token} });
    is $r->status, 303, 'withdrawn';
    ok $browser->jar->get("$COOKIE-given"), 'the cookie is still there';
    is told($browser, 'anna'), '302 missing', 'but the record tells';
    is answers(account('anna')), 'p.analytics=0 p.support=0', 'the no is kept';
};

subtest 'erased before the login' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    my $id = visitor_id($browser);
    my $state = $browser->get('/consent/state')->json;
    my $r = $browser->post('/consent/erase', { token => $state->{token} });
    is $r->status, 303, 'erased';
    is_deeply [$browser->jar->names], [], 'no cookie is left';
    is told($browser, 'anna'), '302 missing', 'nor anything to go over';
    is answers(account('anna')), '', 'indeed';
    is answers(visitor($id)), '', 'and the visitor stays erased';
};

subtest 'an answer after a login' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = $t->browser('DE');
    show($browser);
    is told($browser, 'anna'), '302 missing', 'an account, and not asked yet';
    is answer($browser)->status, 303, 'the visitor answers';
    is told($browser, 'anna'), '200 accepted',
        'which is noticed though the two were seen together before';
};

subtest 'a first request with a body' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    my $body = 'x' x 200_000;
    my $r = $browser->post('/', $body, 'X-Account' => 'anna');
    is $r->status, 405, 'passes the gate when the account has taken over';
    is answers(account('anna')), $ALL, 'which it has';

    $browser = visitor_browser();
    my $page = show($browser);
    $r = $browser->post('/consent/decline', { token => $page->{form_token} },
        'X-Account' => 'bert');
    is $r->status, 403, "a visitor's form is not the account's";
    is answers(account('bert')), $ALL, 'which took over all the same';
};

subtest 'only where all is on' => sub {
    $redis->cmd('FLUSHALL');
    for my $case (['report', 'r', '/report/'], ['off', 'o', '/off/'],
        ['an override', 'v', '/', 'X-Test-Override' => 1,
            'X-Consent-Country' => 'DE'])
    {
        my ($what, $account, $uri, @headers) = @$case;
        my $browser = old_browser({ 'p.analytics' => 0 });
        my $id = visitor_id($browser);
        $browser->get($uri, 'X-Account' => $account, @headers);
        is answers(account($account)), '', $what;
        is answers(visitor($id)), 'p.analytics=0', 'the visitor stays';
    }
};

subtest 'another realm' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    my $id = visitor_id($browser);
    my $other = $t->browser('DE', jar => $browser->jar, host => 'other');
    is told($other, 'anna'), '302 missing', 'has another visitor';
    is answers(account('anna', realm => 'other')), '', 'and nothing goes over';
    is answers(visitor($id)), $ALL, 'from here';
};

subtest 'records that are not to be touched' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = visitor_browser();
    $redis->cmd('HSET', record_key('eve'), k => '00000000', rev => 1);
    told($browser, 'eve');
    is account('eve')->{'d.terms'}, undef, "another's check";

    # the connection is closed for an answer that is another's
    my $back = sub { told($t->browser('DE'), 'gus') eq '302 missing' };
    ok wait_for($back), 'a new connection';

    $browser = visitor_browser();
    my $id = visitor_id($browser);
    $redis->cmd('HSET', record_key($id, kind => 'visitor'), k => '00000000');
    is told($browser, 'fay'), '302 missing', "a visitor's too";
    is answers(account('fay')), '', 'nothing goes over';
    ok wait_for($back), 'a new connection';
};

subtest 'a new subject key' => sub {
    $redis->cmd('FLUSHALL');
    my ($old, $new) = ('0123456789abcdef' x 4, '89abcdef01234567' x 4);
    my $sign = 'sign k1 ' . 'fedcba9876543210' x 4;
    my $browser = old_browser({ 'p.analytics' => 0 });
    my $id = visitor_id($browser);
    put_record($redis, 'anna', { 'd.terms' => 1, 'p.support' => 1 });

    $t->key_file("subject $new", "subject-previous $old", $sign);
    ok $t->reload, 'the key is rotated';
    is told($browser, 'anna'), '302 missing', 'both are found by the old one';

    my %now = map { $_->[0] => key_of(@$_, key => pack 'H*', $new)->{record} }
        [account => 'anna'], [visitor => $id];
    is answers($redis->hash($now{account})),
        'd.terms=1 p.analytics=0 p.support=1', 'the account moves';
    is_deeply [sort keys %{ $redis->hash($now{visitor}) }], [qw(ev k rev)],
        'so does what is left of the visitor';
    ok wait_for(sub { !%{ account('anna') } && !%{ visitor($id) } }),
        'nothing stays behind';
    $t->key_file;
    ok $t->reload, 'back';
};

subtest 'Redis refuses' => sub {
    $redis->cmd('FLUSHALL');
    $t->allow_log(qr/consent/);
    my $browser = visitor_browser();
    my $id = visitor_id($browser);
    my $bucket = key_of(account => 'anna')->{events};
    my $before = $t->get('/status')->json->{merges};
    $redis->cmd('SET', $bucket, 'no stream');

    is told($browser, 'anna'), '302 missing', 'the account is what it was';
    is answers(visitor($id)), $ALL, 'and the visitor too';
    like $t->log, qr/\[error\].*was not added to an account: refused/,
        'it is logged';
    my $status = $t->get('/status')->json->{merges};
    is $status->{failed}, $before->{failed} + 1, 'and counted';
    cmp_ok $status->{written}, '>', 9, 'as were those that went well';
};

subtest 'with a cache' => sub {
    $redis->cmd('FLUSHALL');
    ok $t->reload(site(http => "$NAMED consent_cache zone=c:1m;"),
        workers => 2), 'reload';
    ok wait_for(sub { $t->get('/status')->json->{feed} eq 'up' }), 'feed';
    my $browser = visitor_browser();
    is told($t->browser('DE'), 'anna'), '302 missing', 'elsewhere, it is asked';
    is told($browser, 'anna'), '200 accepted', 'here it takes over';
    ok wait_for(sub { told($t->browser('DE'), 'anna') eq '200 accepted' }),
        'and passes everywhere';
    is told($browser, 'anna'), '200 accepted', 'again' for 1 .. 5;
    is account('anna')->{rev}, 1, 'by one write, whatever the worker';
};

subtest 'a cookie that others can plant' => sub {
    $redis->cmd('FLUSHALL');
    ok $t->reload(site()), 'over plain HTTP';
    my $browser = $t->browser('DE');
    is answer($browser)->status, 303, 'a visitor accepts';
    is $browser->jar->get('consent-given'), undef, 'nothing vouches for it';
    my $id = visitor_id($browser, 'consent');
    is told($browser, 'anna'), '302 missing', 'and it does not go over';
    is answers(visitor($id)), '', 'nor to the next';
};

$t->done;
