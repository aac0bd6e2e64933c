use v5.36;

# A Redis Cluster: every subject is asked of the node that has it, also when it
# has moved, and each node tells of its changes.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

use constant SUBJECTS => 60;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $cluster = $t->cluster(masters => 3);
my $consent = $cluster->consent('', ($cluster->nodes)[1]);

$t->nginx(flow_site(
    http   => 'consent_cache zone=records:256k;',
    server => 'consent_subject $http_x_test_account;
        location = /status { consent_status json; }',
) =~ s/%%CONSENT%%/$consent/r, workers => 2);

sub subject ($n) {
    return $t->script('DE', headers => ['X-Test-Account' => "subject$n"]);
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

# How many of the subjects get each reason.
sub reasons () {
    my %count;
    $count{ reason(subject($_)) }++ for 1 .. SUBJECTS;
    return \%count;
}

sub owner ($n) {
    return $cluster->owner($cluster->slot(key_of(account => "subject$n")
        ->{record}));
}


subtest 'three masters' => sub {
    is_deeply reasons(), { missing => SUBJECTS }, 'nobody has accepted';

    my $accepted = grep { answer_as_script(subject($_))->status == 200 }
        1 .. SUBJECTS;
    is $accepted, SUBJECTS, 'all accept';
    is_deeply reasons(), { accepted => SUBJECTS }, 'and all have accepted';

    is scalar(events($cluster)), SUBJECTS, 'an event each';

    my %kept = map { owner($_)->port => 1 } 1 .. SUBJECTS;
    is scalar(keys %kept), 3, 'on three nodes';

    for my $node ($cluster->masters) {
        cmp_ok scalar(() = $node->keys('gc:s:*')), '>', SUBJECTS / 10,
            'a part of the records on each';
    }

    unlike $t->log, qr/\[(?:warn|error)\].*consent/, 'the log is quiet';
};

$t->done;
