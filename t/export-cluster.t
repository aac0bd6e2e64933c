use v5.36;

# Rights of visitors on a cluster: each copy is read where the subject's slot
# is, and all changes are one step.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $cluster = $t->cluster(masters => 3);
my $consent = $cluster->consent;

$t->nginx(flow_site(http => 'consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account;')
    =~ s/%%CONSENT%%/$consent/r, workers => 2);

sub subject ($n) {
    return $t->browser('DE', headers => ['X-Test-Account' => "subject$n"]);
}

sub export_of ($n) { return subject($n)->get('/consent/export') }

my %owners;

for my $n (1 .. 24) {
    $owners{ $cluster->owner($cluster->slot(key_of(account => "subject$n")
        ->{record})) }++;
}
is keys %owners, 3, 'subjects of each node';

my (%status, %kinds);

for my $n (1 .. 24) {
    answer(subject($n), purpose => 'analytics');
    my $what = qw(withdraw erase residence)[$n % 3];
    $status{ answer(subject($n), what => $what, document => [],
        residence => 'FR')->status }++;
    my $r = export_of($n);
    $status{ $r->status }++;
    my $export = $r->json;
    $kinds{ join ' ', $what, '-', map { $_->{event}{what} }
        @{ $export->{events} } }++;
    is $export->{subject}{pseudonym}, key_of(account => "subject$n")->{name},
        "the copy of subject $n" or last;
    $status{whole}++ if $export->{complete};
}

is_deeply \%status, { 303 => 24, 200 => 24, whole => 24 }, 'all are answered';
is_deeply \%kinds, { 'withdraw - withdraw accept' => 8,
    'erase - erase accept' => 8, 'residence - residence accept' => 8 },
    'with what was done';

subtest 'at the same time' => sub {
    my @clients = map { subject($_) } 1 .. 12;
    $_->send_raw($_->format_request('GET', '/consent/export')) for @clients;
    my @r = map { $_->read_response('GET') } @clients;
    is scalar(grep { $_->status == 200 } @r), 12, 'from three nodes';
    is scalar(grep { $r[$_ - 1]->json->{subject}{pseudonym}
        eq key_of(account => "subject$_")->{name} } 1 .. 12), 12,
        'to whom each belongs';
};

$t->done;
