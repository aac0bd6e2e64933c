use v5.36;

# The links of emails on a cluster: made, followed and spent on the node that
# has the account.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

use constant ACCOUNTS => 24;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->key_file;

my $cluster = $t->cluster(masters => 3);
my $consent = $cluster->consent('', ($cluster->nodes)[1]);

$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;')
    =~ s/%%CONSENT%%/$consent/r);

my $ctl = ConsentGate::Ctl->new($t, redis => ($cluster->nodes)[0],
    lines => ['topology cluster']);

my $run = $ctl->run(qw(link --quiet --format jsonl --url), 'http://x/l',
    \join '', map { qq{"user$_"\n} } 1 .. ACCOUNTS);
is $run->code, 0, 'made in one go' or diag $run->err;

my %token = map { $_->{subject} => $_->{link} =~ /t=(.*)/ } $run->lines;
is scalar keys %token, ACCOUNTS, 'a link each';

my %seen;

for my $account (sort keys %token) {
    my $browser = $t->browser('US');
    my $follow = sub {
        $browser->get("/consent/link?t=$token{$account}")->location;
    };

    $seen{ $follow->() }++;
    $seen{ answer($browser)->location }++;
    $seen{ $follow->() }++;
    $seen{ $t->browser('DE', headers => ['X-Test-Account' => $account])
        ->get('/')->body }++;
}

is_deeply \%seen, {
    '/policy-update'                   => ACCOUNTS,
    '/policy-update?done=link'         => ACCOUNTS,
    '/policy-update?problem=link-used' => ACCOUNTS,
    'home'                             => ACCOUNTS,
}, 'each is followed, used once, and known';

my @spent = map { scalar(() = $_->keys('gc:l:*')) } $cluster->masters;
is eval { my $n = 0; $n += $_ for @spent; $n }, ACCOUNTS, 'all are spent';
ok !(grep { $_ == 0 } @spent), "on each of the nodes: @spent";

$t->done;
