use v5.36;

# Global Privacy Control: what a browser refuses for its visitor stays refused
# unless the visitor has said yes here.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page
    . qq{state=[<!--# echo var="consent_purpose_analytics_state" -->]\n}
    . qq{other=[<!--# echo var="consent_purpose_support_state" -->]\n});

$t->nginx(flow_site(
    http => 'consent_purpose analytics gpc=deny; consent_purpose support;'
        . ' consent_purpose hosting necessary gpc=deny;',
    server => <<'CONF',
        consent_subject $http_x_test_account;
        add_header X-Purposes $consent_purposes always;
        location /analytics/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
        }
        location /support/ {
            consent_require_purpose support; alias %%ROOT%%/;
        }
        location /hosting/ {
            consent_require_purpose hosting; alias %%ROOT%%/;
        }
CONF
));

my $redis = $t->redis;
my $n = 0;

# What comes of each location: analytics, support, hosting.
sub met ($http) {
    return join ' ', map { $http->get("/$_/index.html")->status }
        qw(analytics support hosting);
}

# Somebody who has accepted, and granted or refused purposes; or undef.
sub visitor ($country, $granted = undef) {
    my @who = ('X-Test-Account' => 'v' . $n++);
    my %c = map { $_ => $t->browser($country, headers => [@who,
        $_ eq 'gpc' ? ('Sec-GPC' => 1) : ()]) } qw(plain gpc);

    answer($c{plain});
    answer($c{plain}, what => 'purposes', document => [],
        purpose => $granted) if $granted;

    return \%c;
}


for my $case (
    # country, granted; without and with the signal
    ['DE', undef,           '403 403 200', '403 403 200'],
    ['DE', [],              '403 403 200', '403 403 200'],
    ['DE', ['analytics'],   '200 403 200', '200 403 200'],
    ['DE', ['support'],     '403 200 200', '403 200 200'],
    ['US', undef,           '200 200 200', '403 200 200'],
    ['US', [],              '403 403 200', '403 403 200'],
    ['US', ['analytics'],   '200 403 200', '200 403 200'],
    ['US', ['support'],     '403 200 200', '403 200 200'],
) {
    my ($country, $granted, $plain, $gpc) = @$case;
    my $c = visitor($country, $granted);
    my $name = "$country, " . ($granted ? "[@$granted]" : 'no answer');

    is met($c->{plain}), $plain, $name;
    is met($c->{gpc}), $gpc, "$name, with the signal";

    my $yes = $granted && grep { $_ eq 'analytics' } @$granted;
    for my $kind (qw(plain gpc)) {
        my $state = $c->{$kind}->get('/consent/state')->json;
        is $state->{purposes}{analytics}, $yes ? 1 : 0, "$name: the state";
        is $state->{gpc}, $kind eq 'gpc' ? 1 : 0, 'says if there is a signal';
        like $c->{$kind}->get('/')->header('X-Purposes'),
            $yes ? qr/analytics=1/ : qr/analytics=0/, 'the upstream is told';
    }
}


subtest 'a stranger' => sub {
    is met($t->browser('US')), '200 200 200', 'without it';
    is met($t->browser('US', headers => ['Sec-GPC' => '1'])), '403 200 200',
        'with it';
    is met($t->browser('US', headers => ['Sec-GPC' => $_])), '200 200 200',
        "\"$_\" is no signal" for '0', '', 'true', '11', '1 ,1';
};


subtest 'the page' => sub {
    my $page = show($t->browser('US', headers => ['Sec-GPC' => 1]));
    is $page->{state}, 'signal', 'knows it for a signal';
    is $page->{other}, 'open', 'where it counts';
    is show(visitor('DE', [])->{gpc})->{state}, 'refused',
        'and an answer for an answer';
    is show(visitor('DE', ['analytics'])->{gpc})->{state}, 'granted',
        'either way';
};


subtest 'a yes in spite of it' => sub {
    my $c = visitor('US');
    is met($c->{gpc}), '403 200 200', 'is refused at first';
    answer($c->{gpc}, what => 'purposes', document => [],
        purpose => 'analytics');
    is met($c->{gpc}), '200 403 200', 'the visitor knows better';
    my ($event) = grep { $_->{what} eq 'purposes' && $_->{gpc} }
        events($redis);
    is $event->{gpc}, 1, 'the event says that there was a signal';
    is_deeply $event->{purposes}, { analytics => 1, support => 0 },
        'and what was said';
};

$t->done;
