use v5.36;

# Whose record is in the cache is decided before the class of the request is
# known. Where a location tells of its decision the class is known first: both
# decide alike, for whatever is asked for.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my %all = map { ("d.$_" => 2) } qw(terms privacy cookies);
my %RECORDS = (
    accepted => \%all,
    behind   => { %all, 'd.terms' => 1 },
    outdated => { %all, 'd.privacy' => 1 },
    declined => { %all, 'd.cookies' => '-' },
    resident => { %all, 'd.cookies' => '-', res => 'DE' },
    minor    => { %all, age => 'minor:16' },
);

put_record($t->redis, $_, $RECORDS{$_}) for sort keys %RECORDS;

$t->publish(
    terms   => { version => 2, required => 1 },
    privacy => { version => 2, required => 2 },
    cookies => { version => 2, required => 2 },
);

$t->page($_, 'home') for 'index.html', 'told/index.html';
$t->nginx(<<'END');
    %%CONSENT%%
    consent_cache zone=consent:1m ttl=60s stale=5m;
    consent_subject $http_x_account;
    consent_gate on;
    %%REALIP%%
    add_header X-Decision "$consent_decision $consent_reason" always;
    add_header X-Source "$consent_country_source $consent_missing" always;
    add_header X-Cache $consent_cache always;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        location / { }
        location /told/ { consent_explain on; }
    }
END

my %CLASSES = (
    navigation  => [GET => 'navigate', 'document'],
    unsafe      => [POST => 'navigate', 'document'],
    api         => [GET => 'cors', 'empty'],
    subresource => [GET => 'no-cors', 'image'],
);

my $http = $t->http;

sub ask ($path, $account, $country, $class) {
    my ($method, $mode, $dest) = @{ $CLASSES{$class} };

    return $http->request($method, $path, [
        'X-Real-IP' => address_of($country), 'X-Account' => $account,
        'Sec-Fetch-Mode' => $mode, 'Sec-Fetch-Dest' => $dest]);
}

sub decided ($r) {
    return join ' | ', map { $r->header($_) // '' } qw(X-Decision X-Source);
}


for my $account (sort keys(%RECORDS), 'nobody') {
    ok wait_for(sub {
        ask('/', $account, 'DE', 'navigation')->header('X-Cache') eq 'hit';
    }), "$account is in the cache";

    for my $country (qw(DE US)) {
        for my $class (sort keys %CLASSES) {
            my $r    = ask('/', $account, $country, $class);
            my $told = ask('/told/', $account, $country, $class);

            # of who lives inside and asks for a part of a page from outside,
            # what is at hand tells more, and nothing depends on it
            next if $account eq 'resident' && $country eq 'US'
                && $class eq 'subresource';

            is decided($r), decided($told), "$account, $country, $class";
        }
    }
}

is ask('/', 'accepted', 'DE', 'subresource')->header('X-Cache'), 'hit',
    'a subresource makes use of what is there';
is ask('/', 'newcomer', 'DE', 'subresource')->header('X-Cache'), 'bypass',
    'and lets nobody ask for what is not';

$t->done;
