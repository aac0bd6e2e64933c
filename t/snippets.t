use v5.36;

# conf/snippets: Consent Mode and gpc.json, through nginx, and what a browser
# makes of the scripts.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $pages = "$ConsentGate::Test::ROOT/conf/pages";
my $server = join '', map { s{/etc/nginx/consent/pages}{$pages}gr }
    map { slurp("$ConsentGate::Test::ROOT/conf/snippets/$_.conf") }
    qw(consent-mode gpc);

$t->nginx(flow_site(http => <<'HTTP', server => <<"SERVER"));
    consent_purpose analytics gpc=deny;
    consent_purpose marketing gpc=deny;
HTTP
    consent_subject \$http_x_test_account;
    $server
SERVER

my $redis = $t->redis;

sub page_script ($country, $account = undef, @headers) {
    return $t->client($country, ['Accept' => '*/*',
        'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'script',
        defined $account ? ('X-Test-Account' => $account) : (), @headers]);
}

# What the three scripts of the head leave in a browser.
sub signals (@who) {
    my $http = page_script(@who);
    my (@scripts, @statuses);

    for my $name (qw(default analytics marketing)) {
        my $r = $http->get("/consent-mode/$name.js");
        push @scripts, $r->body;
        push @statuses, $r->status;
    }

    my $code = join "\n", 'var window = globalThis;', @scripts, <<'END';
const state = {};
for (const [command, what, values] of dataLayer) {
  if (command === 'consent' && (what === 'update' || !state.seen)) {
    Object.assign(state, values, { seen: true });
  }
}
delete state.seen;
console.log(JSON.stringify(state));
END
    my $file = $t->write_file('browser.js', $code);
    my $json = `node '$file'`;
    my $state = JSON::PP->new->decode($json);

    my @all = sort keys %$state;

    return {
        statuses => "@statuses",
        all      => "@all",
        granted  => join(' ', grep { $state->{$_} eq 'granted' } @all),
    };
}

my $ADS = 'ad_personalization ad_storage ad_user_data';


subtest 'Consent Mode' => sub {
    my $r = page_script('DE')->get('/consent-mode/default.js');
    is $r->header('Content-Type'), 'application/javascript', 'a script';

    my $new = signals('DE');
    is $new->{all}, "$ADS analytics_storage", 'four signals';
    is $new->{granted}, '', 'a German who has answered nothing: denied';
    is $new->{statuses}, '200 204 204', 'by scripts that are empty';

    put_record($redis, 'anna', { 'd.terms' => 1, 'p.analytics' => 1,
        'p.marketing' => 0 });
    put_record($redis, 'bert', { 'd.terms' => 1, 'p.analytics' => 0,
        'p.marketing' => 1 });
    put_record($redis, 'carl', { 'p.analytics' => 1, 'p.marketing' => 1 });

    is signals('DE', 'anna')->{granted}, 'analytics_storage', 'analytics';
    is signals('DE', 'bert')->{granted}, $ADS, 'marketing';
    is signals('DE', 'carl')->{granted}, "$ADS analytics_storage", 'both';
    is signals('US', 'anna')->{granted}, 'analytics_storage',
        'a refusal holds outside, too';
    is signals('US')->{granted}, "$ADS analytics_storage",
        'outside, who has said nothing';
    is signals('US', undef, 'Sec-GPC' => 1)->{granted}, '',
        'but the browser';
    is signals('US', 'carl', 'Sec-GPC' => 1)->{granted},
        "$ADS analytics_storage", 'unless it was said here';

    for my $name (qw(analytics marketing)) {
        for my $who ('anna', 'bert') {
            like page_script('DE', $who)->get("/consent-mode/$name.js")
                ->header('Cache-Control'), qr/no-store/,
                "$name.js is kept by nobody";
        }
    }
};

subtest 'gpc.json' => sub {
    for my $country (qw(DE US)) {
        my $r = $t->browser($country)->get('/.well-known/gpc.json');
        is $r->status, 200, "seen from $country";
        is $r->header('Content-Type'), 'application/json', 'JSON';
        is $r->header('Set-Cookie'), undef, 'without a cookie';
        my $json = $r->json;
        is $json->{gpc}, JSON::PP::true, 'it heeds the signal';
        like $json->{lastUpdate}, qr/^\d{4}-\d\d-\d\d$/, 'since a day';
    }
};

$t->done;
