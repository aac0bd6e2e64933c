use v5.36;

# The link of an email lets whoever follows it accept for its account, from
# any address, and once. Everything else about it is a clear page and no change.

use lib 't/lib';
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Link;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;
my $COOKIE = 'consent-subject';

my $SUBJECT = 'subject ' . '0123456789abcdef' x 4;
my $K1 = 'sign k1 ' . 'fedcba9876543210' x 4;
my $K2 = 'sign k2 ' . '0011223344556677' x 4;

$t->page('index.html', 'home');
$t->page('app/index.html', 'the app');
$t->page('policy-update.html', flow_page
    . join '', map { qq{$_=[<!--# echo var="$_" default="" -->]\n} } qw(arg_done
        consent_purposes consent_residence consent_purpose_analytics
        consent_purpose_analytics_state));
$t->key_file($SUBJECT, $K1);

my $site = flow_site(http => <<'HTTP', server => <<'SERVER') . <<'OTHER';
    consent_purpose analytics;
HTTP
    consent_override allow=$http_x_test_override;
    consent_remember_eea 180d;
    consent_subject $http_x_test_account;
SERVER
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name other;
        root %%ROOT%%;
        consent_gate on;
        consent_realm other;
        location = /policy-update {
            ssi on;
            default_type text/html;
            alias %%ROOT%%/policy-update.html;
        }
        location /consent/ { consent_api; }
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name real;
        root %%ROOT%%;
        consent_gate on;
        location = /policy-update {
            ssi on;
            default_type text/html;
            alias %%TOP%%/conf/pages/policy-update.html;
        }
        location /consent/ { consent_api; }
    }
OTHER

$t->nginx($site, workers => 2);

my $redis = $t->redis;
my $ctl = ConsentGate::Ctl->new($t);
my $URL = 'http://127.0.0.1/consent/link';

sub record_of ($name, %options) {
    return $redis->hash(key_of(account => $name, %options)->{record});
}

# What there is in Redis, apart from policies and the day of a visit.
sub stored () {
    return [sort grep { /^gc:s:/ ? $redis->hash($_)->{rev} : $_ ne 'gc:p' }
        $redis->keys('gc:*')];
}

# Policies stay in force even when they are deleted: a new version each time.
my $version = 1;

sub anew () { $redis->cmd('FLUSHALL'); return }

sub publish () {
    $version++;
    $redis->cmd('HSET', 'gc:p', 'terms',
        "version=$version required=$version");
    my $state = sub { $t->script('US')->get('/consent/state')->json };
    ok wait_for(sub { 2 == grep { $state->()->{documents}[0]{version}
        == $version } 1, 2 }), "version $version is in force";
    return;
}

# A link as consentctl makes it.
sub mint ($name, @options) {
    my $run = $ctl->run('link', '--subject', $name, '--url', $URL, @options);
    return $run->out =~ /\?t=(\S+)/ ? $1 : die $run->err;
}

# Follows it. Returns the answer and the page behind it.
sub follow ($browser, $token) {
    my $r = $browser->get("/consent/link?t=$token");
    return ($r, $r->status == 303 ? fields($browser->get($r->location)) : {});
}

sub problem_of ($browser, $token) {
    my ($r, $page) = follow($browser, $token);
    return $page->{problem} // $r->status;
}

# What an account has said; not that it was here.
sub said ($name) {
    my $record = record_of($name);
    return { map { $_ => $record->{$_} } grep { /^[dp]\./ } keys %$record };
}

sub account ($name, $country = 'DE') {
    return $t->browser($country, headers => ['X-Test-Account' => $name]);
}


subtest 'from the email to the account' => sub {
    my $token = mint('anna');
    my $browser = $t->browser('US');

    my $r = $browser->get("/consent/link?t=$token");
    is $r->status, 303, 'the link leads on';
    is $r->location, '/policy-update', 'to the page, without the token';
    is_deeply [$r->headers('Referrer-Policy')], ['no-referrer'],
        'and nobody learns of its address';
    is $r->header('Cache-Control'), 'no-store', 'nor keeps it';
    like $r->cookie($COOKIE),
        qr/^$COOKIE=\Q$token\E; Path=\/; HttpOnly; SameSite=Lax; Max-Age=7200$/,
        'the cookie has it';
    is_deeply stored, [], 'nothing is written';

    my $page = show($browser);
    is $page->{subject}, key_of(account => 'anna')->{name},
        'the page is for the account';
    is $page->{missing}, 'terms,privacy,cookies',
        'and shows what is open, to an American too';
    is $page->{link}, 1, 'and knows how one came';
    is $page->{response}->cookie('consent'), undef, 'no visitor is made';
    is $browser->get('/consent/state')->json->{token} ne '', 1,
        'the API knows the account as well';

    $r = answer($browser, page => $page, purpose => 'analytics');
    is $r->status, 303, 'the answer is taken';
    is $r->location, '/policy-update?done=link', 'and thanked for';
    like $r->cookie($COOKIE), qr/; Max-Age=0$/, 'the cookie is taken back';
    is $browser->get($r->location)->status, 200, 'the page';

    my $record = record_of('anna');
    is $record->{'d.terms'}, $version, 'it is the account that accepted';
    is $record->{'p.analytics'}, 1, 'and granted';
    my ($event, @more) = events($redis);
    is_deeply [@more], [], 'one event';
    is $event->{method}, 'email', 'by email';
    is $event->{what}, 'accept', 'an acceptance';
    is $event->{country}, 'US', 'from where they are';
    is $event->{mac}, event_mac($event->{body}), 'signed';

    is account('anna')->get('/app/')->body, 'the app',
        'the gate knows it everywhere';
    is $t->browser('DE')->get('/')->status, 302,
        'and of nobody else';
};

subtest 'a second time' => sub {
    anew;
    my $token = mint('anna');
    my ($one, $two) = map {
        $t->browser('DE', headers => ['Accept-Language' => $_]) } qw(de fr);

    follow($_, $token) for $one, $two;
    my $page = show($two);
    is answer($one)->status, 303, 'the first acceptance';
    my $written = record_of('anna');

    my $r = answer($two, page => $page);
    is $r->status, 303, 'one that was open meanwhile';
    is $r->location, '/policy-update?problem=link-used', 'is told';
    like $r->cookie($COOKIE), qr/; Max-Age=0$/, 'and loses the cookie';
    is record_of('anna')->{rev}, $written->{rev}, 'nothing is changed';

    is problem_of($t->browser('DE'), $token), 'link-used',
        'to follow it again says so at once';
    is problem_of($one, $token), 'link-used', 'where it was used, too';

    my $key = (grep { /^gc:l:/ } $redis->keys('gc:*'))[0];
    my $parsed = link_parse($token);
    my ($tag) = key_of(account => 'anna')->{record} =~ /(\{.*\})/;
    like $key, qr/^gc:l:\Q$tag\E[\w-]{22}$/, 'a key tells, in the same slot';
    is $redis->hash($key)->{ev}, $written->{ev}, 'by which event';
    cmp_ok $redis->cmd('TTL', $key), '>', 89 * 86400, 'for as long as links';

    # something new is open: the link does not open it
    publish;
    is problem_of($t->browser('DE'), $token), 'link-used', 'later as well';
};

subtest 'the same form sent twice' => sub {
    anew;
    my $browser = $t->browser('DE');
    follow($browser, my $token = mint('anna'));
    my $page = show($browser);
    my $cookie = $browser->jar->get($COOKIE);

    is answer($browser, page => $page)->location, '/policy-update?done=link',
        'once';
    $browser->jar->set($COOKIE, $cookie);
    is answer($browser, page => $page)->location, '/policy-update?done=link',
        'the button pressed twice is the same success';
    is scalar(events($redis)), 1, 'and one event';
};

subtest 'a mail scanner' => sub {
    anew;
    my $token = mint('scanned');

    for my $n (1 .. 5) {
        my $scanner = $t->http(headers => ['X-Real-IP' => address_of('DE')]);
        is $scanner->get("/consent/link?t=$token")->status, 303, 'GET';
        is $scanner->request('HEAD', "/consent/link?t=$token")->status, 303,
            'HEAD';
        $scanner->get('/policy-update');
    }
    is $t->post('/consent/link', "t=$token",
        'Content-Type' => 'application/x-www-form-urlencoded')->status, 405,
        'POST is none';
    is_deeply stored, [], 'nothing is written';

    account('probe')->get('/');
    ok wait_for(sub { record_of('probe')->{eea} }), 'a visit is remembered';
    is_deeply record_of('scanned'), {}, 'that of a scanner is none';

    my $browser = $t->browser('DE');
    follow($browser, $token);
    is answer($browser)->location, '/policy-update?done=link',
        'the link is still good';
};

subtest 'what it does not open' => sub {
    anew;
    my $anna = account('anna');
    answer($anna, purpose => 'analytics');
    answer($anna, what => 'residence', residence => 'FR');
    publish;
    is show($anna)->{missing}, 'terms', 'something new is open';
    my $before = said('anna');
    my @said = map { "consent_$_" } qw(purposes residence purpose_analytics
        purpose_analytics_state);

    my $browser = $t->browser('DE');
    my (undef, $page) = follow($browser, mint('anna'));
    is $page->{missing}, 'terms', 'only what is open is shown';

    for my $what (qw(decline withdraw erase)) {
        my $r = $browser->post("/consent/$what",
            { token => $page->{form_token} });
        is $r->status, 403, $what;
        is $r->json->{type}, 'urn:consent-gate:link-accept', 'and why';
    }
    is_deeply said('anna'), $before, 'nothing is changed';
    is $browser->get('/app/')->status, 302, 'nor is one signed in by it';

    my $state = $browser->get('/consent/state')->json;
    is_deeply $state->{purposes}, { analytics => JSON::PP::false },
        'nor is told what is granted';
    is $state->{residence}, undef, 'or where anna lives';
    is_deeply [@{ show($browser) }{@said}], ['analytics=0', '', 0, 'open'],
        'on the page neither';
    is_deeply [@{ show($anna) }{@said}], ['analytics=1', 'FR', 1, 'granted'],
        'anna is told';
};

subtest 'altered' => sub {
    anew;
    my $token = mint('anna');
    my $browser = $t->browser('DE');
    my %seen;

    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        substr $bad, $i, 1, substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
        my $r = $browser->get("/consent/link?t=$bad");
        $seen{ join ' ', $r->status, $r->location // '' }++;
        is $r->cookie($COOKIE), undef, "byte $i sets a cookie"
            if defined $r->cookie($COOKIE);
    }
    is_deeply \%seen, { '303 /policy-update?problem=link-invalid'
        => length $token }, 'in each of its ' . length($token) . ' bytes';

    %seen = ();
    $seen{ $browser->get("/consent/link?t=$_")->location }++
        for map({ substr $token, 0, $_ } 0 .. length($token) - 1),
        "${token}A", "x$token", 'A' x 3000, '%00', '..';
    is_deeply [keys %seen], ['/policy-update?problem=link-invalid'],
        'cut off, or with more';
    is $browser->get('/consent/link')->location,
        '/policy-update?problem=link-invalid', 'none at all';

    my ($r, $page) = follow($browser, "x$token");
    is $page->{problem}, 'link-invalid', 'the page says so';
    isnt $page->{subject}, key_of(account => 'anna')->{name},
        'and is not for the account';

    $browser->jar->set($COOKIE, "x$token");
    isnt show($browser)->{subject}, key_of(account => 'anna')->{name},
        'nor with such a cookie';
    is_deeply stored, [], 'nothing is written';
};

subtest 'expired' => sub {
    anew;
    my $browser = $t->browser('DE');

    is problem_of($browser, link_token('anna', expires => time - 1)),
        'link-expired', 'by a second';
    is problem_of($browser, link_token('anna', expires => time + 60)), '',
        'one that is not is good';
    like $browser->jar->get($COOKIE), qr/^k1\./, 'for whom there is a cookie';
    is problem_of($browser, mint('anna', '--expires', '2s')), '', 'a short one';
    my $page = show($browser);
    ok wait_for(sub { show($browser)->{link} eq '' }, 10),
        'which ends while the page is open';
    is answer($browser, page => $page)->status, 403, 'and is not taken then';
    is_deeply stored, [], 'nothing is written';
};

subtest 'of another site' => sub {
    anew;
    my $other = $t->browser('DE', host => 'other');
    my $here = $t->browser('DE');

    is problem_of($other, mint('anna')), 'link-site', 'one of here there';
    is problem_of($here, mint('anna', '--realm', 'other')), 'link-site',
        'one of there here';
    $other->jar->set($COOKIE, mint('anna'));
    is show($other)->{link}, '', 'nor as a cookie';
    is problem_of($other, mint('anna', '--realm', 'other')), '', 'its own';
    is answer($other)->location, '/policy-update?done=link', 'is good';
    is record_of('anna', realm => 'other')->{'d.terms'}, $version,
        'for the account there';
    is_deeply said('anna'), {}, 'and not here';
};

subtest 'of another account' => sub {
    anew;
    my $bert = account('bert');
    my ($r, $page) = follow($bert, my $token = mint('anna'));

    is $page->{problem}, 'link-account', 'who is signed in is told';
    is $page->{subject}, key_of(account => 'bert')->{name},
        'on their own page';
    is $r->cookie($COOKIE), undef, 'without a cookie';

    # who signs in with the page open
    my $browser = $t->browser('DE');
    follow($browser, $token);
    my $form = show($browser);
    my $later = account('bert');
    $later->jar->set($COOKIE, $token);
    is show($later)->{link}, '', 'the link is not used for another';
    is answer($later, page => $form)->status, 403,
        'nor is a form of the account';
    is answer($later)->status, 303, 'whose own answer';
    is record_of('bert')->{'d.terms'}, $version, 'is their own';
    is_deeply said('anna'), {}, 'and of nobody else';
    is +(events($redis))[0]{method}, 'page', 'not by email';
    is_deeply [grep { /^gc:l:/ } $redis->keys('gc:*')], [], 'nothing is spent';

    # the same account
    my $anna = account('anna');
    is +(follow($anna, $token))[1]{problem}, '', 'who is the same account';
    $r = answer($anna);
    is $r->location, '/', 'goes on as one who is signed in';
    my ($event) = grep { $_->{method} eq 'email' } events($redis);
    ok $event, 'having come by email';
    is problem_of($t->browser('DE'), $token), 'link-used', 'which is spent';
};

subtest 'Redis is away' => sub {
    anew;
    my $token = mint('anna');
    my $browser = $t->browser('DE');

    $redis->freeze;
    my ($r, $page) = follow($browser, $token);
    is $r->status, 303, 'the link leads to the page, which knows';
    $redis->thaw;
    ok wait_for(sub { show($browser)->{link} eq '1'
        && answer($browser)->status == 303 }, 10), 'and it goes on later';
    is record_of('anna')->{'d.terms'}, $version, 'nothing is lost';
};

subtest 'who does not wait for the answer' => sub {
    anew;
    my $token = mint('anna');

    $redis->freeze;
    for (1 .. 20) {
        my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->port) or die "connect: $!";
        print $client "GET /consent/link?t=$token HTTP/1.1\r\n",
            "Host: localhost\r\n\r\n";
        close $client;
    }
    my $left = wait_for(sub {
        20 == (() = $t->access_log =~ m{/consent/link\S+ HTTP/1\.1" 499 }g);
    });
    $redis->thaw;

    ok $left, 'is gone';
    ok wait_for(sub { problem_of($t->browser('DE'), $token) eq '' }, 10),
        'the next one is answered';
    is_deeply stored, [], 'nothing is written';
};

subtest 'erased in between' => sub {
    anew;
    my $anna = account('anna');
    answer($anna);
    publish;
    my $token = mint('anna');
    my $fresh = mint('carl');

    my $browser = $t->browser('DE');
    follow($browser, $token);
    my $page = show($browser);

    my $state = $anna->get('/consent/state')->json;
    is $anna->post('/consent/erase', { token => $state->{token} })->status,
        303, 'erased';
    is_deeply said('anna'), {}, 'indeed';

    is problem_of($t->browser('DE'), $token), 'link-erased',
        'the link is told';
    my $r = answer($browser, page => $page);
    is $r->location, '/policy-update?problem=link-erased',
        'so is a form that was open';
    is_deeply said('anna'), {}, 'nothing comes back';

    $redis->cmd('DEL', key_of(account => 'anna')->{record});
    is problem_of($t->browser('DE'), $token), 'link-erased',
        'nor when the tombstone is gone';
    is problem_of($t->browser('DE'), mint('anna')), '',
        'a new link is a new question';
    is problem_of($t->browser('DE'), $fresh), '',
        'and who had no record has nothing to lose';
};

subtest 'the record changes in between' => sub {
    anew;
    my $browser = $t->browser('DE');
    follow($browser, my $token = mint('anna'));
    my $page = show($browser);

    is answer(account('anna'), what => 'decline')->status, 303,
        'answered elsewhere';
    my $r = answer($browser, page => $page);
    is $r->status, 409, 'the form is of before';
    my $again = fields($r);
    is $again->{problem}, 'changed', 'the page says so';
    is $again->{link}, 1, 'and is still that of the link';
    is answer($browser, page => $again)->location, '/policy-update?done=link',
        'its form is taken';
    is record_of('anna')->{'d.terms'}, $version, 'accepted';
};

subtest 'after a withdrawal' => sub {
    anew;
    my $anna = account('anna');
    answer($anna, purpose => 'analytics');
    my $token = mint('anna');
    my $state = $anna->get('/consent/state')->json;
    $anna->post('/consent/withdraw', { token => $state->{token} });

    my $browser = $t->browser('DE');
    my (undef, $page) = follow($browser, $token);
    is $page->{missing}, 'terms,privacy,cookies', 'everything is open again';
    is answer($browser)->location, '/policy-update?done=link',
        'to accept anew is a new acceptance';
    is record_of('anna')->{'p.analytics'}, 0, 'of what was accepted only';
};

subtest 'keys come and go' => sub {
    anew;
    my $old = mint('anna');
    my $used = mint('bert');

    $t->key_file($SUBJECT, $K2, $K1);
    ok $t->reload, 'a new key signs';
    my $browser = $t->browser('DE');
    is problem_of($browser, $old), '', 'a link of the old one is good';
    is answer($browser)->location, '/policy-update?done=link', 'and taken';
    like mint('carl'), qr/^k2\./, 'new links are of the new one';

    $t->key_file($SUBJECT, $K2);
    ok $t->reload, 'the old one is gone';
    is problem_of($t->browser('DE'), $used), 'link-invalid',
        'and so are its links';
    is_deeply said('bert'), {}, 'nothing is changed';
    $t->key_file($SUBJECT, $K1);
    ok $t->reload, 'as before';
};

subtest 'the page that comes with the gate' => sub {
    anew;
    my $browser = $t->browser('US', host => 'real');
    my $at = sub ($path) { return $browser->get($path)->body };

    $browser->get('/consent/link?t=' . mint('anna'));
    my $page = $at->('/policy-update');
    like $page, qr/by the link in our email/, 'says why it is shown';
    like $page, qr/>Accept</, 'one can accept';
    unlike $page, qr/>Decline</, 'and not decline';
    my ($token) = $page =~ /name="token" value="([^"]+)"/;
    my $r = $browser->post('/consent/accept', { token => $token,
        document => [qw(terms privacy cookies)] });
    is $r->location, '/policy-update?done=link', 'accepted';
    $page = $at->($r->location);
    like $page, qr/<h1>Thank you/, 'and thanked for';
    unlike $page, qr/<form/, 'with nothing more to fill in';
    like $at->('/policy-update'), qr/>Decline</, 'others can decline';

    for my $problem (qw(invalid expired site account used erased)) {
        $page = $at->("/policy-update?problem=link-$problem");
        like $page, qr/<strong>This link [^<]* Nothing was recorded/,
            "link-$problem is told";
        unlike $page, qr/<form/, 'without a form';
    }
};

subtest 'a cookie of an account that is gated' => sub {
    anew;
    my $browser = $t->browser('DE');
    follow($browser, mint('anna'));
    is $browser->get('/', 'X-Test-Account' => 'bert')->status, 302,
        'another account is sent to the page';
    is show($browser)->{subject}, key_of(account => 'bert')->{name},
        'which is theirs';

    follow($browser, mint('anna'));
    is show($browser)->{subject}, key_of(account => 'anna')->{name},
        'until the link is followed again';
};

$t->done;
