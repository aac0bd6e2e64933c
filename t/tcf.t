use v5.36;

# What a consent manager was told counts where consent_tcf says so, and only
# as long as nothing of our own says otherwise.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Tcf;
use ConsentGate::Test;

my $COOKIE = 'euconsent-v2';

my %string;
{
    my %wishes = (
        all       => { consents => [1 .. 11], vendors => [3, 755],
                       publisher => [1, 7] },
        none      => { vendors => [3, 755] },
        seven     => { consents => [7], vendors => [3] },
        marketing => { consents => [1, 3, 4], vendors => [755] },
        barred    => { consents => [1, 3, 4], vendors => [755],
                       restrictions => [[755, 4, 0]] },
        hidden    => { consents => [1 .. 11], vendors => [3, 755],
                       days => -300, segments => ['core'], policy => 4 },
        old       => { consents => [1 .. 11], vendors => [3, 755],
                       days => -400 },
        coming    => { consents => [1 .. 11], vendors => [3, 755],
                       days => 3 },
        undisclosed => { consents => [1 .. 11], vendors => [3, 755],
                         segments => ['core'] },
        policy    => { consents => [1 .. 11], vendors => [3], policy => 3 },
        global    => { consents => [1 .. 11], vendors => [3],
                       global => JSON::PP::true },
    );
    my @names = sort keys %wishes;
    @string{@names} = tcf_strings(@wishes{@names});
}

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page($_, $_) for qw(measure ads chat echo);
$t->page('policy-update.html', flow_page);

$t->nginx(flow_site(http => <<'HTTP', server => <<'SERVER'));
    consent_purpose hosting necessary;
    consent_purpose analytics gpc=deny;
    consent_purpose marketing gpc=deny;
    consent_purpose support;
    consent_purpose own;
    consent_tcf analytics purposes=7,8;
    consent_tcf marketing purposes=1,3,4 vendor=755;
    consent_tcf own purposes=7 publisher;
    log_format purposes '$uri $consent_purposes';
    access_log %%DIR%%/purposes.log purposes;
HTTP
    location = /measure { consent_require_purpose analytics; }
    location = /ads     { consent_require_purpose marketing; }
    location = /chat    { consent_require_purpose support; }
    location = /echo    {
        add_header X-Purposes $consent_purposes;
        add_header X-Analytics $consent_purpose_analytics;
    }
SERVER

my $redis = $t->redis;

# A German who has accepted the documents, with or without purposes.
sub visitor (@purposes) {
    my $browser = $t->browser('DE');
    my $r = answer($browser, @purposes ? (purpose => \@purposes) : ());
    is $r->status, 303, 'accepts';
    return $browser;
}

sub with ($browser, $name, @headers) {
    $browser->jar->set($COOKIE, $string{$name} // $name);
    return $browser->get('/echo', @headers)->header('X-Purposes');
}

sub granted ($list) {
    return join ' ', grep { $_ ne 'hosting' } $list =~ /(\w+)=1/g;
}


subtest 'what the manager was told' => sub {
    my $anna = visitor;

    for my $case (
        [none      => ''],
        [all       => 'analytics marketing own'],
        [seven     => ''],
        [marketing => 'marketing'],
        [barred    => ''],
        [hidden    => 'analytics marketing'],
        [old       => ''],
        [coming    => ''],
    ) {
        my ($name, $expect) = @$case;
        is granted(with($anna, $name)), $expect, $name;
    }
};

subtest 'decides' => sub {
    my $anna = visitor;

    is $anna->get($_)->status, 403, "without it: $_"
        for qw(/measure /ads /chat);

    with($anna, 'all');
    is $anna->get('/measure')->body, 'measure', 'what is mapped passes';
    is $anna->get('/ads')->body, 'ads', 'by vendor, too';
    is $anna->get('/chat')->status, 403, 'what is not mapped does not';
    is $anna->get('/echo')->header('X-Analytics'), 1, 'and the variables tell';

    my $r = $anna->get('/measure');
    ok !(grep { /^\Q$COOKIE\E/ } $r->headers('Set-Cookie')),
        'the cookie is never written';
    is $anna->get('/consent/state')->json->{purposes}{analytics},
        JSON::PP::true, 'and so does the state';
};

subtest 'a document is never accepted by it' => sub {
    my $new = $t->browser('DE');
    $new->jar->set($COOKIE, $string{all});
    is $new->get('/measure')->status, 302, 'the visitor is asked still';
};

subtest 'our own record wins' => sub {
    my $anna = visitor;
    my ($record) = grep { /^gc:s:/ && !$redis->hash($_)->{'p.analytics'} }
        $redis->keys('gc:s:*');
    ok $record, 'the record';

    is granted(with($anna, 'all')), 'analytics marketing own', 'granted';
    my %all = map { $_ => $redis->hash($_) } $redis->keys('gc:s:*');
    $redis->cmd('HSET', $_, 'p.analytics', 0) for keys %all;
    is granted(with($anna, 'all')), 'marketing own', 'a refusal here wins';
    is $anna->get('/measure')->status, 403, 'and decides';
    $redis->cmd('HSET', $_, 'p.analytics', 1) for keys %all;
    is granted(with($anna, 'none')), 'analytics', 'so does a grant here';
    is $anna->get('/measure')->status, 200, 'and decides';
};

subtest 'Global Privacy Control wins' => sub {
    my $anna = visitor;

    is granted(with($anna, 'all', 'Sec-GPC' => 1)), 'own',
        'over purposes with gpc=deny';
    is $anna->get('/measure', 'Sec-GPC' => 1)->status, 403, 'inside';

    my $joe = $t->browser('US');
    $joe->jar->set($COOKIE, $string{all});
    is $joe->get('/measure', 'Sec-GPC' => 1)->status, 403, 'outside';
    is $joe->get('/measure')->status, 200, 'without it';
    is granted(with($joe, 'all', 'Sec-GPC' => 1)), 'own',
        'also for a stranger that no record is read for';
    is granted(with($joe, 'all')), 'analytics marketing own', 'without it';
};

subtest 'strings that are none' => sub {
    my $anna = visitor;

    for my $case (
        ['undisclosed', 'without disclosed vendors'],
        ['policy', 'of an unknown version of the policies'],
        ['global', 'of global scope'],
        ['C', 'cut off'],
        ['+', 'not base64url'],
        [$string{all} . '.A', 'an unknown or repeated segment'],
        [substr($string{all}, 0, 40), 'cut off'],
        ['B' . substr($string{all}, 1), 'not of version 2'],
        ['A' x 7000, 'not of version 2'],
    ) {
        my ($text, $why) = @$case;
        my $from = $t->log_size;
        is granted(with($anna, $text)), '', substr($text, 0, 20);
        ok $t->wait_for_log("is not used: it is $why", from => $from), $why;
    }

    my $consent = 'consent=' . $anna->jar->get('consent');
    my $sent = sub ($cookies) {
        return granted($t->script('DE')->get('/echo',
            Cookie => "$consent; $cookies")->header('X-Purposes'));
    };

    is $sent->("$COOKIE="), '', 'empty';
    is $sent->("$COOKIE=bad; $COOKIE=$string{marketing}"), 'marketing',
        'of two the one that can be read';
    is $sent->("$COOKIE=$string{none}; $COOKIE=$string{marketing}"), '',
        'of two that can what both grant';
    is $sent->("$COOKIE=$string{all}; $COOKIE=$string{none}"), '',
        'in whichever order they come';
    is $sent->("$COOKIE=$string{all}; $COOKIE=$string{marketing}; "
        . "$COOKIE=$string{all}"), 'marketing', 'and of three what all do';
};

subtest 'when Redis is away' => sub {
    my $anna = visitor;
    my ($consent, $joe) = ($anna->jar->get('consent'), $t->browser('US'));
    my $bare = $t->browser('DE');

    $bare->jar->set(consent => $consent);
    $_->jar->set($COOKIE, $string{all}) for $bare, $joe, $anna;
    $redis->stop;

    is $bare->get('/measure')->status, 403,
        'a refusal may be on record: not granted';
    is $anna->get('/measure')->status, 200, 'a receipt says there is none';
};

$t->done;
